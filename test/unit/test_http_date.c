/*
 * Dates of HTTP: every day from 1970 to 9999 against libc, the three forms, and what is none.
 */
#include "testing.h"

#include <time.h>

#include "troxy/http/date.h"
#include "troxy/text.h"

/* A copy that ends where the text does, so that a sanitizer sees what is read behind it. */
static bool reads(const char *text, size_t len, uint64_t *second)
{
    uint8_t *copy = malloc(len + 1);
    assert_non_null(copy);
    memcpy(copy + 1, text, len);
    bool good = http_date_read((struct slice){copy + 1, len}, second);
    free(copy);
    return good;
}

static void assert_reads(const char *text, uint64_t expected)
{
    uint64_t second = 1;
    if (!reads(text, strlen(text), &second) || second != expected) {
        print_error("%s: %llu instead of %llu\n", text, (unsigned long long)second,
                    (unsigned long long)expected);
        fail();
    }
}

static void assert_refuses(const char *text)
{
    uint64_t second;
    if (reads(text, strlen(text), &second)) {
        print_error("%s is taken for a date\n", text);
        fail();
    }
}

static void every_day_is_read_as_it_was_written(void **unused)
{
    (void)unused;
    uint64_t random = 1;
    for (uint64_t day = 0; day < 2932897; day++) { /* 9999-12-31 is the last */
        uint64_t second = day * 86400 + test_random(&random) % 86400, again;
        uint8_t out[HTTP_DATE_BYTES];
        struct writer w = writer_to(out, sizeof out);
        put_http_date(&w, second);
        assert_true(http_date_read((struct slice){out, w.len}, &again));
        assert_true(again == second);
    }
}

/* Written by libc, days around the ends of months in all years of two digits, and some of four. */
static void the_three_forms_are_those_of_libc(void **unused)
{
    (void)unused;
    static const char *const form[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                       "%a %b %e %H:%M:%S %Y"};
    for (int year = 1970; year < 2500; year++) {
        for (int month = 0; month < 12; month++) {
            for (int day = -1; day < 3; day++) {
                struct tm tm = {.tm_year = year - 1900, .tm_mon = month, .tm_mday = day, .tm_hour = 23};
                time_t at = timegm(&tm);
                for (unsigned i = 0; i < 3 && at >= 0; i++) {
                    char text[64];
                    strftime(text, sizeof text, form[i], &tm);
                    if (i != 1 || tm.tm_year + 1900 < 2070)
                        assert_reads(text, (uint64_t)at);
                }
            }
        }
    }
}

static void dates_of_the_standard(void **unused)
{
    (void)unused;
    assert_reads("Sun, 06 Nov 1994 08:49:37 GMT", 784111777);
    assert_reads("Sunday, 06-Nov-94 08:49:37 GMT", 784111777);
    assert_reads("Sun Nov  6 08:49:37 1994", 784111777);
    assert_reads("Wed Nov 16 08:49:37 1994", 784975777);
    assert_reads("Sat, 06 Nov 1994 08:49:37 GMT", 784111777); /* the day's name is not looked at */
    assert_reads("Thu, 01 Jan 1970 00:00:00 GMT", 0);
    assert_reads("Wed, 31 Dec 1969 23:59:59 GMT", 0); /* before all that there is */
    assert_reads("Sat, 01 Jan 0000 00:00:00 GMT", 0);
    assert_reads("Thursday, 01-Jan-70 00:00:01 GMT", 1);
    assert_reads("Tuesday, 31-Dec-69 23:59:59 GMT", 3155759999); /* 2069 */
    assert_reads("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799);
    assert_reads("Fri, 31 Dec 9999 23:59:60 GMT", 253402300800);
    assert_reads("Sat, 31 Dec 2016 23:59:60 GMT", 1483228800); /* a leap second is the one behind it */
    assert_reads("Tue, 29 Feb 2000 00:00:00 GMT", 951782400);
    assert_reads("Thu, 29 Feb 2024 00:00:00 GMT", 1709164800);
}

static void what_is_no_date_is_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = {
        "",
        "0",
        "784111777",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Apr 1994 08:49:37 GMT",
        "Fri, 31 Jun 1994 08:49:37 GMT",
        "Sat, 31 Sep 1994 08:49:37 GMT",
        "Thu, 31 Nov 1994 08:49:37 GMT",
        "Sun, 32 Dec 1994 08:49:37 GMT",
        "Wed, 29 Feb 2023 08:49:37 GMT",
        "Mon, 29 Feb 2100 08:49:37 GMT",
        "Monday, 29-Feb-23 08:49:37 GMT",
        "Wed Feb 29 08:49:37 2023",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:00:61 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06 Nov 94 08:49:37 GMT",
        "Monday, 06-Nov-94 08:49:37",
        "Sunsday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 06 08:49:37 94",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov   6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun, 06 Nov 1994 -8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:3a GMT",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refuses(bad[i]);
}

/* Twins: every beginning of a date, and what has one byte changed for one that a date can have nowhere. */
static void a_date_is_whole(void **unused)
{
    (void)unused;
    static const char *const good[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Wednesday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994"};
    for (unsigned i = 0; i < 3; i++) {
        char text[64];
        uint64_t second;
        size_t len = strlen(good[i]);
        assert_true(reads(good[i], len, &second));
        for (size_t at = 0; at < len; at++) {
            assert_false(reads(good[i], at, &second));
            memcpy(text, good[i], len + 1);
            text[at] = '~';
            assert_false(reads(text, len, &second));
            text[at] = '\0';
            assert_false(reads(text, len, &second));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_is_read_as_it_was_written),
        cmocka_unit_test(the_three_forms_are_those_of_libc),
        cmocka_unit_test(dates_of_the_standard),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(a_date_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
