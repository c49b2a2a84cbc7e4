#!/bin/sh
# Says that the login has come through, and stays until its input ends.

echo in
cat
