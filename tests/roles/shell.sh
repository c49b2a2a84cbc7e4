# Runs the commands that come, each with a byte 0 at its end. What one prints, and then what it complains
# of, ends with the mark that is $1.
complaints=$(mktemp -p /dev/shm)
trap 'rm -f "$complaints"' EXIT
printf %s "$1"
while IFS= read -r -d '' command; do
    (eval "$command") </dev/null 2>"$complaints"
    printf %s "$1"
    [ ! -s "$complaints" ] || cat "$complaints"
    printf %s "$1"
done
exit
