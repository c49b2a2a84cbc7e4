/* Stands where msiexec.exe does: as long as the number in C:\busy is above 0, it lowers that and
   ends with ERROR_INSTALL_ALREADY_RUNNING; then it runs the real one with the same words. */
#include <windows.h>
#include <stdio.h>
#include <wchar.h>

int wmain(void)
{
    static wchar_t all[32768] = L"\"C:\\real\\msiexec.exe\" ";
    STARTUPINFOW start = {sizeof start};
    PROCESS_INFORMATION process;
    DWORD code = 1;
    int left = 0;
    wchar_t *words = GetCommandLineW();
    FILE *counter = fopen("C:\\busy", "r");

    if (counter != NULL) {
        if (fscanf(counter, "%d", &left) != 1)
            left = 0;
        fclose(counter);
    }
    if (left > 0) {
        counter = fopen("C:\\busy", "w");
        fprintf(counter, "%d", left - 1);
        fclose(counter);
        return 1618;
    }
    /* The first word is this program. */
    words = *words == L'"' ? wcschr(words + 1, L'"') + 1 : wcschr(words, L' ');
    if (words != NULL)
        wcscat(all, words);
    if (CreateProcessW(NULL, all, NULL, NULL, FALSE, 0, NULL, NULL, &start, &process)) {
        WaitForSingleObject(process.hProcess, INFINITE);
        GetExitCodeProcess(process.hProcess, &code);
    }
    return (int)code;
}
