/* JSON of any bytes: look-ups in what was accepted stay inside it. */
#include <string.h>

#include "base/check.h"
#include "json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct json json;
    char text[64];
    if (!json_parse(&json, (const char *)data, size))
        return 0;
    for (uint32_t i = 0; i < json.count; i++) {
        CHECK(json.value[i].start <= json.value[i].end && json.value[i].end <= size &&
              json.value[i].next <= json.count);
        json_number(&json, i, 0);
        json_string(&json, i, text, sizeof text);
        CHECK(json_member(&json, i, "id") < json.count);
        CHECK(json_element(&json, i, 1) < json.count);
    }
    return 0;
}
