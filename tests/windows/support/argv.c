/* argv VALUE: prints VALUE as UTF-8 and nothing else. */
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <windows.h>

int wmain(int argc, wchar_t **argv)
{
    static char text[4096];
    if (argc != 2) return 2;
    WideCharToMultiByte(CP_UTF8, 0, argv[1], -1, text, sizeof text, NULL, NULL);
    _setmode(_fileno(stdout), _O_BINARY);
    fputs(text, stdout);
    return 0;
}
