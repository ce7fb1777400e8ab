/*
 * Dates of HTTP from anywhere: what is taken, libc takes alike, in one of the three forms; and written anew it is read as the same.
 */
#include <time.h>

#include "need.h"
#include "troxy/http/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What libc makes of it; it knows other centuries for two digits of a year. */
static int64_t seconds_of_libc(const char *text)
{
    static const char *const form[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                       "%a %b %e %H:%M:%S %Y"};
    for (unsigned i = 0; i < 3; i++) {
        struct tm tm = {0};
        const char *end = strptime(text, form[i], &tm);
        if (!end || *end)
            continue;
        if (i == 1 && tm.tm_year == 69)
            tm.tm_year = 169;
        return timegm(&tm);
    }
    return INT64_MIN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[64];
    uint8_t again[HTTP_DATE_BYTES];
    uint64_t second = 0, second_again = 0;
    bool good = http_date_read((struct slice){data, size}, &second);
    if (!good)
        return 0;
    need(size < sizeof text);
    memcpy(text, data, size);
    text[size] = '\0';
    int64_t expected = seconds_of_libc(text);
    need(expected != INT64_MIN && second == (expected > 0 ? (uint64_t)expected : 0));
    struct writer w = writer_to(again, sizeof again);
    put_http_date(&w, second);
    need(!w.bad && http_date_read((struct slice){again, w.len}, &second_again));
    need(second_again == second || second > 253402300799u); /* a leap second behind the last year */
    return 0;
}
