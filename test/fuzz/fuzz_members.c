/* A list of members of any bytes: what is taken from it are addresses that can be used, under epochs that rose. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "members.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct members m = {.count = 4};
    struct address address;
    char *text = malloc(size + 1);
    CHECK(text);
    memcpy(text, data, size);
    text[size] = 0;
    for (replica_id r = 0; r < 4; r++)
        m.host[r].epoch = 1;
    (void)members_parse(&m, text);
    CHECK(m.count == 4);
    for (replica_id r = 0; r < 4; r++) {
        CHECK(m.host[r].epoch >= 1);
        CHECK(!*m.host[r].peer || address_read(&address, m.host[r].peer));
        CHECK(!*m.host[r].client || address_read(&address, m.host[r].client));
    }
    free(text);
    return 0;
}
