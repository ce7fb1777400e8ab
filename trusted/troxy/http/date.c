#include "troxy/http/date.h"

#include "troxy/text.h"

#define LAST_SECOND 253402300799u /* 9999-12-31T23:59:59Z */
#define DAY_SECONDS 86400u

struct date {
    uint32_t year;
    uint32_t month; /* 1 to 12 */
    uint32_t day;   /* 1 to 31 */
};

/* Years are counted from March, so that the leap day comes last, and in eras of 400 years, which all have the same length. */
static struct date date_of(uint64_t days_since_1970)
{
    uint32_t days = (uint32_t)days_since_1970 + 719468; /* since 0000-03-01 */
    uint32_t era = days / 146097;
    uint32_t of_era = days % 146097;
    uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint32_t month = (5 * of_year + 2) / 153; /* 0 is March */
    struct date date = {.day = of_year - (153 * month + 2) / 5 + 1,
                        .month = month < 10 ? month + 3 : month - 9};
    date.year = era * 400 + year + (date.month <= 2);
    return date;
}

static void put_padded(struct writer *w, uint64_t number, unsigned digits)
{
    uint8_t *to = writer_take(w, digits);
    for (unsigned i = digits; to && i-- > 0; number /= 10)
        to[i] = (uint8_t)('0' + number % 10);
}

void put_http_date(struct writer *w, uint64_t unix_s)
{
    static const char weekday[] = "Thu, Fri, Sat, Sun, Mon, Tue, Wed, ";
    static const char month[] = " Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ";
    if (unix_s > LAST_SECOND)
        unix_s = LAST_SECOND;
    uint64_t days = unix_s / DAY_SECONDS;
    uint64_t second = unix_s % DAY_SECONDS;
    struct date date = date_of(days);
    put_raw(w, weekday + 5 * (days % 7), 5);
    put_padded(w, date.day, 2);
    put_raw(w, month + 4 * (date.month - 1), 5);
    put_padded(w, date.year, 4);
    put_text(w, " ");
    put_padded(w, second / 3600, 2);
    put_text(w, ":");
    put_padded(w, second / 60 % 60, 2);
    put_text(w, ":");
    put_padded(w, second % 60, 2);
    put_text(w, " GMT");
}
