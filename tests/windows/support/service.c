/* A Windows service in FreeSwitchConsole.exe's place. What starts and stops is the FreeSWITCH of
   support/freeswitch.py, where there is one; otherwise it only is there. */
#include <winsock2.h>
#include <windows.h>
#include <stdio.h>
#include <string.h>

#include "bridge.h"

static SERVICE_STATUS status;
static SERVICE_STATUS_HANDLE handle;
static HANDLE ended;

static void report(DWORD state, DWORD code)
{
    status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
    status.dwCurrentState = state;
    status.dwControlsAccepted = state == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP : 0;
    status.dwWin32ExitCode = code;
    SetServiceStatus(handle, &status);
}

static DWORD WINAPI control(DWORD code, DWORD type, LPVOID data, LPVOID context)
{
    if (code == SERVICE_CONTROL_STOP) {
        report(SERVICE_STOP_PENDING, 0);
        SetEvent(ended);
    }
    return NO_ERROR;
}

static void WINAPI run(DWORD count, LPSTR *names)
{
    char answer[64];

    handle = RegisterServiceCtrlHandlerExA("FreeSWITCH", control, NULL);
    ended = CreateEventA(NULL, TRUE, FALSE, NULL);
    report(SERVICE_START_PENDING, 0);
    if (ask("start\n", answer, sizeof answer) > 0 && strncmp(answer, "ok", 2)) {
        report(SERVICE_STOPPED, ERROR_SERVICE_SPECIFIC_ERROR);
        return;
    }
    report(SERVICE_RUNNING, 0);
    WaitForSingleObject(ended, INFINITE);
    ask("stop\n", answer, sizeof answer);
    report(SERVICE_STOPPED, 0);
}

int main(int count, char **words)
{
    SERVICE_TABLE_ENTRYA table[] = {{"FreeSWITCH", run}, {NULL, NULL}};
    if (count < 2 || strcmp(words[1], "-service"))
        return 2;
    return StartServiceCtrlDispatcherA(table) ? 0 : 1;
}
