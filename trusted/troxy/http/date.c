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

/* The same the other way. */
static uint64_t days_of(const struct date *date)
{
    uint32_t year = date->year - (date->month <= 2);
    uint32_t month = date->month > 2 ? date->month - 3 : date->month + 9;
    uint32_t of_era = year % 400;
    uint32_t of_year = (153 * month + 2) / 5 + date->day - 1;
    return (uint64_t)(year / 400) * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void put_padded(struct writer *w, uint64_t number, unsigned digits)
{
    uint8_t *to = writer_take(w, digits);
    for (unsigned i = digits; to && i-- > 0; number /= 10)
        to[i] = (uint8_t)('0' + number % 10);
}

static const char weekday[] = "Thu, Fri, Sat, Sun, Mon, Tue, Wed, ";
static const char month[] = " Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ";

void put_http_date(struct writer *w, uint64_t unix_s)
{
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

/* ------------------------------------------------------------------------------------------------ reading */

/* A text that is taken from the front, and spoiled for good by what does not fit. */
struct text_reader {
    struct slice rest;
    bool bad;
};

static void take_text(struct text_reader *r, const char *expected)
{
    size_t len = strlen(expected);
    if (r->bad || r->rest.len < len || memcmp(r->rest.data, expected, len) != 0)
        r->bad = true;
    else
        r->rest = text_from(r->rest, len);
}

static uint32_t take_digits(struct text_reader *r, unsigned digits)
{
    uint32_t number = 0;
    if (r->bad || r->rest.len < digits) {
        r->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < digits; i++) {
        r->bad = r->bad || !text_is_digit(r->rest.data[i]);
        number = number * 10 + (uint32_t)(r->rest.data[i] - '0');
    }
    r->rest = text_from(r->rest, digits);
    return r->bad ? 0 : number;
}

/* Which of names of three letters comes next, from 1; they stand in `names` every `step` bytes. */
static uint32_t take_name(struct text_reader *r, const char *names, unsigned step, unsigned count)
{
    for (unsigned i = 0; i < count && !r->bad && r->rest.len >= 3; i++) {
        if (memcmp(r->rest.data, names + (size_t)step * i, 3) == 0) {
            r->rest = text_from(r->rest, 3);
            return i + 1;
        }
    }
    r->bad = true;
    return 1;
}

static uint32_t take_month(struct text_reader *r)
{
    return take_name(r, month + 1, 4, 12);
}

static uint32_t take_time(struct text_reader *r)
{
    uint32_t hours = take_digits(r, 2);
    take_text(r, ":");
    uint32_t minutes = take_digits(r, 2);
    take_text(r, ":");
    uint32_t seconds = take_digits(r, 2);
    r->bad = r->bad || hours > 23 || minutes > 59 || seconds > 60;
    return hours * 3600 + minutes * 60 + seconds;
}

/* " 06 Nov 1994 08:49:37 GMT", with what stands between day, month and year, and so many digits of the year. */
static uint32_t take_modern(struct text_reader *r, struct date *date, const char *between, unsigned digits)
{
    take_text(r, " ");
    date->day = take_digits(r, 2);
    take_text(r, between);
    date->month = take_month(r);
    take_text(r, between);
    date->year = take_digits(r, digits);
    take_text(r, " ");
    uint32_t second = take_time(r);
    take_text(r, " GMT");
    return second;
}

/* " Nov  6 08:49:37 1994" */
static uint32_t take_asctime(struct text_reader *r, struct date *date)
{
    take_text(r, " ");
    date->month = take_month(r);
    take_text(r, " ");
    bool short_day = r->rest.len && r->rest.data[0] == ' ';
    if (short_day)
        take_text(r, " ");
    date->day = take_digits(r, short_day ? 1 : 2);
    take_text(r, " ");
    uint32_t second = take_time(r);
    take_text(r, " ");
    date->year = take_digits(r, 4);
    return second;
}

static bool is_day(const struct date *date)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = date->year % 4 == 0 && (date->year % 100 != 0 || date->year % 400 == 0);
    return date->day >= 1 && date->day <= days[date->month - 1] + (uint32_t)(leap && date->month == 2);
}

bool http_date_read(struct slice text, uint64_t *unix_s)
{
    static const char *const ending[] = {"rsday", "day", "urday", "day", "day", "sday", "nesday"};
    struct text_reader r = {.rest = text};
    struct date date = {0};
    uint32_t second;
    uint32_t name = take_name(&r, weekday, 5, 7);
    uint8_t next = r.rest.len ? r.rest.data[0] : 0;
    if (next == ',') {
        take_text(&r, ",");
        second = take_modern(&r, &date, " ", 4);
    } else if (next == ' ') {
        second = take_asctime(&r, &date);
    } else {
        take_text(&r, ending[name - 1]);
        take_text(&r, ",");
        second = take_modern(&r, &date, "-", 2);
        date.year += date.year < 70 ? 2000 : 1900;
    }
    if (r.bad || r.rest.len || !is_day(&date))
        return false;
    *unix_s = date.year < 1970 ? 0 : days_of(&date) * DAY_SECONDS + second;
    return true;
}
