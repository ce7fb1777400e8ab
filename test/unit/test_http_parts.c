/*
 * What requests are made of: percent-encoding, queries, entity tags, ranges; and numbers.
 */
#include "testing.h"

#include "troxy/http/etag.h"
#include "troxy/http/range.h"
#include "troxy/http/target.h"
#include "troxy/text.h"

/* A copy that ends where the text does, so that a sanitizer sees what is read behind it. */
static struct slice exact(const char *text)
{
    static uint8_t *last;
    free(last);
    last = malloc(strlen(text) + 1);
    assert_non_null(last);
    memcpy(last + 1, text, strlen(text));
    return (struct slice){last + 1, strlen(text)};
}

static void numbers_are_digits(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        uint64_t number;
    } good[] = {{"0", 0},
                {"007", 7},
                {"18446744073709551614", UINT64_MAX - 1},
                {"18446744073709551615", UINT64_MAX},
                {"18446744073709551616", UINT64_MAX},
                {"36893488147419103232", UINT64_MAX},
                {"184467440737095516150", UINT64_MAX},
                {"184467440737095516160000000000000000000000000", UINT64_MAX}};
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "1a", "0x1", "1.0"};
    uint64_t number;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(text_number(exact(good[i].text), &number));
        assert_true(number == good[i].number);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(text_number(exact(bad[i]), &number));
    uint8_t out[20];
    struct writer w = writer_to(out, sizeof out);
    put_number(&w, UINT64_MAX);
    assert_memory_equal(out, "18446744073709551615", 20);
    put_number(&w, 0);
    assert_true(w.bad);
}

static void percent_encoding(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *decoded;
        enum http_plus plus;
    } good[] = {{"", "", HTTP_PLUS_IS_PLUS},
                {"a+b", "a+b", HTTP_PLUS_IS_PLUS},
                {"a+b", "a b", HTTP_PLUS_IS_SPACE},
                {"%41%7a%7A%2B%25", "Azz+%", HTTP_PLUS_IS_SPACE},
                {"%C3%a4/", "\xc3\xa4/", HTTP_PLUS_IS_PLUS}};
    static const char *const bad[] = {"%", "%4", "%4g", "%g4", "a%", "%%41", "%-1", "% 1"};
    uint8_t out[16];
    size_t len;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(http_percent_decode(exact(good[i].text), good[i].plus, out, sizeof out, &len));
        assert_int_equal(len, strlen(good[i].decoded));
        assert_memory_equal(out, good[i].decoded, len);
        assert_int_equal(http_percent_decode(exact(good[i].text), good[i].plus, out, len, &len), true);
        assert_false(len && http_percent_decode(exact(good[i].text), good[i].plus, out, len - 1, &len));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(http_percent_decode(exact(bad[i]), HTTP_PLUS_IS_PLUS, out, sizeof out, &len));
    assert_true(http_percent_decode(exact("%00"), HTTP_PLUS_IS_PLUS, out, sizeof out, &len));
    assert_int_equal(len, 1);
    assert_int_equal(out[0], 0);
}

static void queries_are_split(void **unused)
{
    (void)unused;
    static const struct {
        const char *name, *value;
    } parts[] = {{"a", "1"}, {"b", ""}, {"c", ""}, {"", "d"}, {"e", "f=g"}, {"h%26", "%3d"}};
    struct slice query = exact("&a=1&b&c=&&=d&e=f=g&h%26=%3d"), name, value;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        assert_true(http_query_next(&query, &name, &value));
        assert_true(text_is(name, parts[i].name));
        assert_true(text_is(value, parts[i].value));
    }
    assert_false(http_query_next(&query, &name, &value));
    query = exact("a&");
    assert_true(http_query_next(&query, &name, &value) && !http_query_next(&query, &name, &value));
    query = SLICE_NONE;
    assert_false(http_query_next(&query, &name, &value));
}

static struct http_request request;

static void with_fields(const char *const *values, unsigned count)
{
    request.fields = count;
    for (unsigned i = 0; i < count; i++)
        request.field[i] = (struct http_field){text_of("If-Match"), text_of(values[i])};
}

static enum http_match match(const char *value, const struct http_etag *current, enum http_comparison how)
{
    with_fields(&value, 1);
    request.field[0].value = exact(value);
    return http_etag_match(&request, "if-match", current, how);
}

static void entity_tags_are_compared(void **unused)
{
    (void)unused;
    const struct http_etag strong = {.text = text_of("a")}, weak = {.weak = true, .text = text_of("a")};
    static const struct {
        const char *list;
        enum http_match strong, weak; /* against "a", strongly and weakly */
    } cases[] = {
        {"\"a\"", HTTP_MATCH_YES, HTTP_MATCH_YES},
        {"W/\"a\"", HTTP_MATCH_NO, HTTP_MATCH_YES},
        {"\"b\"", HTTP_MATCH_NO, HTTP_MATCH_NO},
        {"\"b\",\"a\"", HTTP_MATCH_YES, HTTP_MATCH_YES},
        {"\"a\", \"b\"", HTTP_MATCH_YES, HTTP_MATCH_YES},
        {",, \"b\"\t,, \"a\" ,", HTTP_MATCH_YES, HTTP_MATCH_YES},
        {"\"a,b\"", HTTP_MATCH_NO, HTTP_MATCH_NO},
        {"\"\"", HTTP_MATCH_NO, HTTP_MATCH_NO},
        {"\"\xff\"", HTTP_MATCH_NO, HTTP_MATCH_NO},
        {"*", HTTP_MATCH_YES, HTTP_MATCH_YES},
        {" * ", HTTP_MATCH_YES, HTTP_MATCH_YES},
        {"", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
        {",", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
        {"a", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
        {"\"a", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
        {"\"", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
        {"W/", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
        {"W", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
        {"w/\"a\"", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
        {"W/ \"a\"", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
        {"\"a\" \"b\"", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
        {"\"a\"b", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
        {"\"a b\"", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
        {"\"a\x7f\"", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
        {"\"a\", *", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
        {"*, \"a\"", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
        {"**", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
        {"\"a\", \"b", HTTP_MATCH_BAD, HTTP_MATCH_BAD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(match(cases[i].list, &strong, HTTP_COMPARE_STRONG), cases[i].strong);
        assert_int_equal(match(cases[i].list, &strong, HTTP_COMPARE_WEAK), cases[i].weak);
        bool bad = cases[i].strong == HTTP_MATCH_BAD;
        assert_int_equal(match(cases[i].list, NULL, HTTP_COMPARE_WEAK), bad ? HTTP_MATCH_BAD : HTTP_MATCH_NO);
    }
    assert_int_equal(match("\"a\"", &weak, HTTP_COMPARE_STRONG), HTTP_MATCH_NO);
    assert_int_equal(match("\"a\"", &weak, HTTP_COMPARE_WEAK), HTTP_MATCH_YES);
}

static void entity_tags_of_several_fields_are_one_list(void **unused)
{
    (void)unused;
    const struct http_etag a = {.text = text_of("a")};
    with_fields(NULL, 0);
    assert_int_equal(http_etag_match(&request, "if-match", &a, HTTP_COMPARE_STRONG), HTTP_MATCH_ABSENT);
    static const struct {
        const char *value[2];
        enum http_match match;
    } cases[] = {
        {{"\"a\"", "\"b\""}, HTTP_MATCH_YES}, {{"\"b\"", "\"a\""}, HTTP_MATCH_YES},
        {{"\"b\"", "\"c\""}, HTTP_MATCH_NO},  {{"\"a\"", ""}, HTTP_MATCH_YES},
        {{"*", "\"b\""}, HTTP_MATCH_BAD},     {{"*", "*"}, HTTP_MATCH_BAD},
        {{"\"a\"", "x"}, HTTP_MATCH_BAD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        with_fields(cases[i].value, 2);
        assert_int_equal(http_etag_match(&request, "if-match", &a, HTTP_COMPARE_STRONG), cases[i].match);
    }
}

static void ranges_fit_objects(void **unused)
{
    (void)unused;
    static const struct {
        const char *value;
        uint64_t size;
        enum http_range_fit fit;
        uint64_t first, last;
    } cases[] = {
        {"bytes=0-0", 10, HTTP_RANGE_PART, 0, 0},
        {"bytes=2-5", 10, HTTP_RANGE_PART, 2, 5},
        {"Bytes=2-5", 10, HTTP_RANGE_PART, 2, 5},
        {"bytes= 2-5 ", 10, HTTP_RANGE_PART, 2, 5},
        {"bytes=2-", 10, HTTP_RANGE_PART, 2, 9},
        {"bytes=9-", 10, HTTP_RANGE_PART, 9, 9},
        {"bytes=2-99", 10, HTTP_RANGE_PART, 2, 9},
        {"bytes=2-99999999999999999999", 10, HTTP_RANGE_PART, 2, 9},
        {"bytes=-3", 10, HTTP_RANGE_PART, 7, 9},
        {"bytes=-99", 10, HTTP_RANGE_PART, 0, 9},
        {"bytes=-99999999999999999999", 10, HTTP_RANGE_PART, 0, 9},
        {"bytes=10-", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=10-12", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=99999999999999999999-", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-0", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=0-", 0, HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-1", 0, HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=5-2", 10, HTTP_RANGE_ALL, 0, 9},
        {"bytes=2-5,7-8", 10, HTTP_RANGE_ALL, 0, 9},
        {"bytes=-", 10, HTTP_RANGE_ALL, 0, 9},
        {"bytes=", 10, HTTP_RANGE_ALL, 0, 9},
        {"bytes", 10, HTTP_RANGE_ALL, 0, 9},
        {"", 10, HTTP_RANGE_ALL, 0, 9},
        {"bytes=5", 10, HTTP_RANGE_ALL, 0, 9},
        {"bytes=a-b", 10, HTTP_RANGE_ALL, 0, 9},
        {"bytes=1-b", 10, HTTP_RANGE_ALL, 0, 9},
        {"bytes=2--5", 10, HTTP_RANGE_ALL, 0, 9},
        {"bytes=+2-5", 10, HTTP_RANGE_ALL, 0, 9},
        {"items=2-5", 10, HTTP_RANGE_ALL, 0, 9},
        {"bytes=5-2", 0, HTTP_RANGE_ALL, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t first, last;
        struct http_range range = http_range_read(exact(cases[i].value));
        enum http_range_fit fit = http_range_fit(&range, cases[i].size, &first, &last);
        if (fit != cases[i].fit)
            print_error("%s of %u\n", cases[i].value, (unsigned)cases[i].size);
        assert_int_equal(fit, cases[i].fit);
        if (fit == HTTP_RANGE_UNSATISFIABLE)
            continue;
        assert_int_equal(first, cases[i].first);
        assert_int_equal(last, cases[i].last);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_digits),
        cmocka_unit_test(percent_encoding),
        cmocka_unit_test(queries_are_split),
        cmocka_unit_test(entity_tags_are_compared),
        cmocka_unit_test(entity_tags_of_several_fields_are_one_list),
        cmocka_unit_test(ranges_fit_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
