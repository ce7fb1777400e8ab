/* cluster.yaml of any bytes: accepted, or refused with its place. */
#include <string.h>

#include "base/check.h"
#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config config;
    struct error error;
    memset(&config, 0, sizeof config);
    if (config_parse(&config, "F", (const char *)data, size, &error) == 0)
        CHECK(config.replicas >= replicas_needed(config.protocol, config.faults) &&
              config.replicas < replicas_needed(config.protocol, config.faults + 1));
    else
        CHECK(strncmp(error.text, "F:", 2) == 0);
    return 0;
}
