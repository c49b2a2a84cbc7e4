/* Runs one line as WinRM and OpenSSH do on Windows: cmd.exe /d /c "LINE", with
   these very standard handles; then writes the whole exit code, of which wine's own way out keeps
   eight bits. LINE and CODE (a file) are environment variables. */
#include <windows.h>
#include <stdio.h>
#include <wchar.h>

static wchar_t line[32768], path[1024], all[33000];

int main(void)
{
    STARTUPINFOW start = {sizeof start};
    PROCESS_INFORMATION process;
    DWORD code = 1;
    FILE *out;

    GetEnvironmentVariableW(L"LINE", line, 32768);
    GetEnvironmentVariableW(L"CODE", path, 1024);
    SetEnvironmentVariableW(L"LINE", NULL);
    SetEnvironmentVariableW(L"CODE", NULL);
    wcscpy(all, L"cmd.exe /d /c \"");
    wcscat(all, line);
    wcscat(all, L"\"");
    start.dwFlags = STARTF_USESTDHANDLES;
    start.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
    start.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
    start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    if (CreateProcessW(NULL, all, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process)) {
        WaitForSingleObject(process.hProcess, INFINITE);
        GetExitCodeProcess(process.hProcess, &code);
    }
    if ((out = _wfopen(path, L"w")) != NULL) {
        fprintf(out, "%lu", code);
        fclose(out);
    }
    return 0;
}
