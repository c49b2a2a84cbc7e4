/* A Windows service that listens, as FreeSWITCH does: it stands for FreeSwitchConsole.exe in the
   MSI that the tests build, and knows nothing else of FreeSWITCH. */
#include <winsock2.h>
#include <windows.h>
#include <string.h>

static SERVICE_STATUS status;
static SERVICE_STATUS_HANDLE handle;
static HANDLE ended;

static void report(DWORD state)
{
    status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
    status.dwCurrentState = state;
    status.dwControlsAccepted = state == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP : 0;
    SetServiceStatus(handle, &status);
}

static DWORD WINAPI control(DWORD code, DWORD type, LPVOID data, LPVOID context)
{
    if (code == SERVICE_CONTROL_STOP) {
        report(SERVICE_STOP_PENDING);
        SetEvent(ended);
    }
    return NO_ERROR;
}

static void WINAPI run(DWORD count, LPSTR *names)
{
    WSADATA data;
    struct sockaddr_in address = {0};
    SOCKET listener;

    handle = RegisterServiceCtrlHandlerExA("FreeSWITCH", control, NULL);
    ended = CreateEventA(NULL, TRUE, FALSE, NULL);
    report(SERVICE_START_PENDING);
    WSAStartup(MAKEWORD(2, 2), &data);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(listener, (struct sockaddr *)&address, sizeof address);
    listen(listener, 5);
    report(SERVICE_RUNNING);
    WaitForSingleObject(ended, INFINITE);
    closesocket(listener);
    report(SERVICE_STOPPED);
}

int main(int count, char **words)
{
    SERVICE_TABLE_ENTRYA table[] = {{"FreeSWITCH", run}, {NULL, NULL}};
    if (count < 2 || strcmp(words[1], "-service"))
        return 2;
    return StartServiceCtrlDispatcherA(table) ? 0 : 1;
}
