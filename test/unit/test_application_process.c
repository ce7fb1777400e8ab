/*
 * An Execution compartment whose service is in a process of its own: the two start together, end together, and the other's end
 * is the compartment's obituary.
 */
#include "testing.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "application/proxy.h"
#include "compartment.h"
#include "execution/execution.h"

static char execution[4096], application[4096];
static char why[1024];

static struct compartment_spec spec_of(void)
{
    const char *bin = getenv("REDOUBT_BIN");
    assert_non_null(bin);
    snprintf(execution, sizeof execution, "%s/redoubt-execution", bin);
    snprintf(application, sizeof application, "%s/redoubt-application-counter", bin);
    return (struct compartment_spec){
        .kind = KIND_EXECUTION,
        .isolation = ISOLATION_PROCESS,
        .binary = execution,
        .application = application,
        .application_bytes = SERVICE_BYTES_MIN,
        .config = {.kind = KIND_EXECUTION, .replica = 1, .epoch = 7, .service_options = ""},
        .memory_bytes = execution_type.arena_bytes + PROXY_BYTES,
        .core = -1,
    };
}

static struct compartment *open_one(const struct compartment_spec *spec)
{
    struct compartment *c;
    if (compartment_open(&c, spec, why, sizeof why) != 0)
        fail_msg("%s", why);
    return c;
}

static void refused(const struct compartment_spec *spec, const char *because)
{
    struct compartment *c;
    assert_true(compartment_open(&c, spec, why, sizeof why) < 0);
    assert_null(c);
    if (!strstr(why, because))
        fail_msg("\"%s\" instead of \"%s\"", why, because);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
}

/* Its death is seen by the descriptor; then both have ended. */
static void await_end(struct compartment *c, pid_t first, pid_t second)
{
    struct pollfd death = {.fd = compartment_death_fd(c), .events = POLLIN};
    assert_true(death.fd >= 0);
    assert_int_equal(poll(&death, 1, 15000), 1);
    assert_false(compartment_alive(c));
    assert_int_equal(kill(first, 0), -1);
    assert_int_equal(kill(second, 0), -1);
}

static void two_processes_start(void **state)
{
    (void)state;
    struct compartment_spec spec = spec_of();
    struct compartment *c = open_one(&spec);
    const struct compartment *other = compartment_application(c);
    struct slice hello;
    struct digest alone;
    assert_non_null(other);
    assert_true(compartment_pid(other) > 0 && compartment_pid(other) != compartment_pid(c));
    assert_true(compartment_take(c, &hello));
    assert_non_null(strstr(compartment_sandbox(other), "seccomp"));
    assert_int_equal(measure_file(&alone, application), 0);
    assert_memory_equal(compartment_measurement(other), &alone, sizeof alone);
    assert_int_equal(measure_file(&alone, execution), 0);
    assert_memory_not_equal(compartment_measurement(c), &alone, sizeof alone); /* it covers both */
    assert_true(compartment_alive(c));
    pid_t pids[2] = {compartment_pid(c), compartment_pid(other)};
    compartment_close(c);
    assert_int_equal(kill(pids[0], 0), -1);
    assert_int_equal(kill(pids[1], 0), -1);
}

static void without_an_application_there_is_one(void **state)
{
    (void)state;
    struct compartment_spec spec = spec_of();
    snprintf(execution, sizeof execution, "%s/redoubt-execution-counter", getenv("REDOUBT_BIN"));
    spec.application = NULL;
    struct compartment *c = open_one(&spec);
    assert_null(compartment_application(c));
    compartment_close(c);
}

static void the_application_ends_it(void **state)
{
    (void)state;
    struct compartment_spec spec = spec_of();
    struct compartment *c = open_one(&spec);
    pid_t both[2] = {compartment_pid(compartment_application(c)), compartment_pid(c)};
    assert_string_equal(compartment_obituary(c), "");
    kill(both[0], SIGKILL);
    await_end(c, both[0], both[1]);
    assert_non_null(strstr(compartment_obituary(c), "its application ended: killed by signal 9"));
    compartment_close(c);
}

static void it_ends_the_application(void **state)
{
    (void)state;
    struct compartment_spec spec = spec_of();
    struct compartment *c = open_one(&spec);
    pid_t both[2] = {compartment_pid(c), compartment_pid(compartment_application(c))};
    kill(both[0], SIGKILL);
    await_end(c, both[0], both[1]);
    assert_non_null(strstr(compartment_obituary(c), "killed by signal 9"));
    assert_null(strstr(compartment_obituary(c), "application"));
    compartment_close(c);
}

static void what_cannot_start_is_named(void **state)
{
    (void)state;
    struct compartment_spec spec = spec_of();
    spec.application = "/nonexistent/application";
    refused(&spec, "application: cannot read its binary /nonexistent/application");
    spec.application = "/bin/false";
    refused(&spec, "application: /bin/false did not start: exited with status 1");
    spec.application = execution; /* a compartment of another kind */
    refused(&spec, "last words: wrong binary: execution");
    spec = spec_of();
    spec.binary = application;
    refused(&spec, "last words: wrong binary: application");
    spec = spec_of();
    spec.config.service_options = "nonsense=1";
    refused(&spec, "service_state");
    spec.config.service_options = "";
    spec.application = NULL;
    refused(&spec, "there is no memory to share with the application");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_processes_start),        cmocka_unit_test(without_an_application_there_is_one),
        cmocka_unit_test(the_application_ends_it),    cmocka_unit_test(it_ends_the_application),
        cmocka_unit_test(what_cannot_start_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
