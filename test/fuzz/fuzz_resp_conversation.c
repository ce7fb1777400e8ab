/* Bytes of a client of the service kv (resp); see conversation.h. */
#include "conversation.h"
#include "kv/front/kv_front.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_conversation(&kv_front, kv_front.resp, data, size);
    return 0;
}
