/* Bytes of a client of the service pages (http); see conversation.h. */
#include "conversation.h"
#include "pages/front/pages_front.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_conversation(&pages_front, pages_front.http, data, size);
    return 0;
}
