/* One question to support/freeswitch.py, whose port stands in C:\freeswitch-port. Returns the
   answer's length; 0 where nobody is there. */
static int ask(const char *question, char *answer, int size)
{
    WSADATA data;
    struct sockaddr_in address = {0};
    SOCKET line;
    FILE *file = fopen("C:\\freeswitch-port", "r");
    int port = 0, length = 0, got;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%d", &port) != 1)
        port = 0;
    fclose(file);
    WSAStartup(MAKEWORD(2, 2), &data);
    line = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_family = AF_INET;
    address.sin_port = htons((unsigned short)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(line, (struct sockaddr *)&address, sizeof address) == 0) {
        send(line, question, (int)strlen(question), 0);
        shutdown(line, SD_SEND);
        while (length < size - 1 && (got = recv(line, answer + length, size - 1 - length, 0)) > 0)
            length += got;
    }
    closesocket(line);
    answer[length] = 0;
    return length;
}
