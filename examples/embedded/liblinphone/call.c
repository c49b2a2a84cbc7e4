/* Registers by TLS, calls a number, sends digits, and hangs up: liblinphone, as Debian 12 has it.
 *
 *     apt install liblinphone-dev gcc
 *     cc -o call call.c -llinphone
 *     SIP_DOMAIN=cc.example.net SIP_USER=1000 SIP_PASSWORD_FILE=password SIP_CALL=9196 ./call
 *
 * More of the environment: SIP_DIGITS (123), SIP_CA (the authority's certificate, where the system
 * does not know it), SIP_PUSH (parameters of RFC 8599, such as pn-provider=fcm;pn-param=…;pn-prid=…). */
#include <linphone/core.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE 60

static const char *given(const char *name, const char *otherwise) {
	const char *value = getenv(name);
	if (value != NULL && *value != '\0') return value;
	if (otherwise != NULL) return otherwise;
	fprintf(stderr, "%s is not set\n", name);
	exit(2);
}

/* Of a file, or of the environment: arguments are seen by whoever asks for processes. */
static const char *password(void) {
	static char text[256];
	const char *path = given("SIP_PASSWORD_FILE", "");
	if (*path == '\0') return given("SIP_PASSWORD", NULL);
	FILE *file = fopen(path, "r");
	if (file == NULL || fgets(text, sizeof text, file) == NULL) {
		fprintf(stderr, "%s cannot be read\n", path);
		exit(2);
	}
	fclose(file);
	text[strcspn(text, "\r\n")] = '\0';
	return text;
}

static const char *registered(LinphoneAccount *account) {
	LinphoneRegistrationState state = linphone_account_get_state(account);
	if (state == LinphoneRegistrationFailed) exit(1);
	return state == LinphoneRegistrationOk ? "registered" : NULL;
}

static const char *gone(LinphoneAccount *account) {
	return linphone_account_get_state(account) == LinphoneRegistrationCleared ? "gone" : NULL;
}

static const char *talks(LinphoneCall *call) {
	LinphoneCallState state = linphone_call_get_state(call);
	if (state == LinphoneCallError || state == LinphoneCallEnd || state == LinphoneCallReleased) {
		fprintf(stderr, "%s\n", linphone_reason_to_string(linphone_call_get_reason(call)));
		exit(1);
	}
	return state == LinphoneCallStreamsRunning ? "talks" : NULL;
}

static const char *over(LinphoneCall *call) {
	return linphone_call_get_state(call) == LinphoneCallReleased ? "over" : NULL;
}

/* The library does everything in here. */
static void run(LinphoneCore *core, int milliseconds) {
	for (int passed = 0; passed < milliseconds; passed += 20) {
		linphone_core_iterate(core);
		usleep(20000);
	}
}

#define UNTIL(what, of) \
	do { \
		int left = PATIENCE * 50; \
		while (what(of) == NULL && left-- > 0) run(core, 20); \
		if (left < 0) { fprintf(stderr, "not " #what "\n"); exit(1); } \
		puts(what(of)); \
		fflush(stdout); \
	} while (0)

int main(void) {
	const char *domain = given("SIP_DOMAIN", NULL), *user = given("SIP_USER", NULL);
	const char *digits = given("SIP_DIGITS", "123");
	char text[512];
	linphone_logging_service_set_log_level(linphone_logging_service_get(), LinphoneLogLevelFatal);
	LinphoneFactory *factory = linphone_factory_get();
	/* Without a file, nothing is kept: no password either. */
	LinphoneConfig *config = linphone_factory_create_config(factory, NULL);
	linphone_config_set_string(config, "storage", "uri", "null");
	LinphoneCore *core = linphone_factory_create_core_with_config_3(factory, config, NULL);
	if (getenv("SIP_CA") != NULL) linphone_core_set_root_ca(core, getenv("SIP_CA"));
	linphone_core_set_use_files(core, TRUE); /* No microphone and no speaker. */
	linphone_core_set_media_encryption(core, LinphoneMediaEncryptionSRTP);
	linphone_core_start(core);

	LinphoneAuthInfo *auth = linphone_factory_create_auth_info(factory, user, NULL, password(), NULL, NULL, domain);
	linphone_core_add_auth_info(core, auth);
	LinphoneAccountParams *params = linphone_core_create_account_params(core);
	snprintf(text, sizeof text, "sip:%s@%s", user, domain);
	LinphoneAddress *identity = linphone_factory_create_address(factory, text);
	linphone_account_params_set_identity_address(params, identity);
	snprintf(text, sizeof text, "sip:%s;transport=tls", domain);
	LinphoneAddress *server = linphone_factory_create_address(factory, text);
	linphone_account_params_set_server_address(params, server);
	linphone_account_params_enable_outbound_proxy(params, TRUE);
	linphone_account_params_enable_register(params, TRUE);
	if (getenv("SIP_PUSH") != NULL) linphone_account_params_set_contact_uri_parameters(params, getenv("SIP_PUSH"));
	LinphoneAccount *account = linphone_core_create_account(core, params);
	linphone_core_add_account(core, account);
	linphone_core_set_default_account(core, account);
	UNTIL(registered, account);

	snprintf(text, sizeof text, "sip:%s@%s", given("SIP_CALL", NULL), domain);
	LinphoneCall *call = linphone_core_invite(core, text);
	if (call == NULL) return 1;
	linphone_call_ref(call);
	UNTIL(talks, call);
	/* The other side's voice has to be there before a key is heard. */
	run(core, 1000);
	linphone_call_send_dtmfs(call, digits);
	run(core, 1000 + 500 * (int)strlen(digits));
	linphone_call_terminate(call);
	UNTIL(over, call);
	linphone_call_unref(call);

	LinphoneAccountParams *off = linphone_account_params_clone(params);
	linphone_account_params_enable_register(off, FALSE);
	linphone_account_set_params(account, off);
	UNTIL(gone, account);
	linphone_core_stop(core);
	linphone_core_unref(core);
	return 0;
}
