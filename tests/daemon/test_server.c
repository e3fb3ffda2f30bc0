/* What becomes of a connection that there is no memory for, and of those behind it. */
#include "daemon/server.h"

#include "daemon/session_list.h"
#include "tests/run.h"

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define N_CLIENTS 3

static uv_loop_t loop;
static int n_refused;

/* AddressSanitizer ends a program that asks for more than there can be, unless told to answer as
 * calloc does. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void look(uv_timer_t *timer)
{
	(void)timer;
}

/* No session may be here, so each that comes to be is told so: that is how it is seen. */
static void on_refuse(struct session *session, const char *sentence)
{
	(void)session;
	(void)sentence;
	n_refused++;
}

static int listen_at(struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	address->sun_family = AF_UNIX;
	snprintf(
		address->sun_path, sizeof(address->sun_path), "test_server.%d.sock", (int)getpid());
	ck_assert_int_eq(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
	ck_assert_int_eq(listen(fd, N_CLIENTS), 0);
	return fd;
}

static int client_connect(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_int_eq(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
	return fd;
}

/* Read to its end, which has come: the loop has nothing left to do for it. */
static void expect_closed(int client)
{
	char byte;

	ck_assert_int_eq(recv(client, &byte, 1, MSG_DONTWAIT), 0);
	close(client);
}

static void run_some(void)
{
	for (int i = 0; i < 20; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

START_TEST(without_memory_a_client_is_let_go_and_the_next_is_heard)
{
	struct session_ops ops = {.protocol = "text", .size = SIZE_MAX / 2, .refuse = on_refuse};
	struct service service = {.loop = &loop};
	struct listener listener = LISTENER_NONE;
	struct sockaddr_un address = {0};
	struct server *server;
	struct err err = ERR_INIT;
	int clients[N_CLIENTS];

	ck_assert_int_eq(uv_loop_init(&loop), 0);
	service.sessions = session_list_new(&service, look);
	listener.fd = listen_at(&address);
	ck_assert_int_eq(server_open(&server, &listener, &service, &ops, &err), 0);
	for (int i = 0; i < N_CLIENTS; i++)
		clients[i] = client_connect(&address);
	run_some();
	for (int i = 0; i < N_CLIENTS; i++)
		expect_closed(clients[i]);
	ck_assert_int_eq(n_refused, 0);

	ops.size = sizeof(struct session);
	clients[0] = client_connect(&address);
	run_some();
	ck_assert_int_eq(n_refused, 1);
	close(clients[0]);

	/* The server may go while it lets one go. */
	ops.size = SIZE_MAX / 2;
	clients[0] = client_connect(&address);
	uv_run(&loop, UV_RUN_NOWAIT);
	server_close(server);
	close(clients[0]);
	unlink(address.sun_path);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon/server");
	TCase *tests = tcase_create("server");

	tcase_add_test(tests, without_memory_a_client_is_let_go_and_the_next_is_heard);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
