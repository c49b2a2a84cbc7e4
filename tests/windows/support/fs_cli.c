/* In fs_cli.exe's place: the FreeSWITCH of support/freeswitch.py is asked by its own fs_cli, with
   HOME and the words as they came. */
#include <winsock2.h>
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge.h"

int main(int count, char **words)
{
    static char question[16384] = "cli\n", answer[1 << 20];
    const char *home = getenv("HOME");
    char *rest;
    int i;

    strcat(question, home == NULL ? "" : home);
    for (i = 1; i < count; i++) {
        strcat(question, "\n");
        strcat(question, words[i]);
    }
    if (ask(question, answer, sizeof answer) == 0) {
        fputs("nobody answers\n", stderr);
        return 255;
    }
    rest = strchr(answer, '\n');
    fputs(rest == NULL ? "" : rest + 1, stdout);
    return atoi(answer);
}
