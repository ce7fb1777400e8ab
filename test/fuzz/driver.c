/*
 * Runs a fuzz target without libFuzzer, so that it runs under every compiler and in every build: over the seed files in
 * the folders named as arguments (a folder that is not there is skipped), over mutations of them, and over pseudo-random
 * buffers. The same every time; DRIVER_RUNS sets how many buffers (20000).
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Optional in a target, as in libFuzzer. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { INPUT_MAX_BYTES = 1 << 16, MUTATIONS_PER_SEED = 200 };

/* splitmix64: enough to vary input. */
static uint64_t state = 1;

static uint64_t next_random(void)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Gives the target a heap copy of the exact size, so that a sanitizer sees a read past its end. */
static void run_one(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_mutations(const uint8_t *seed, size_t size)
{
    static uint8_t mutated[INPUT_MAX_BYTES];

    for (int i = 0; i < MUTATIONS_PER_SEED && size > 0; i++) {
        size_t changes = 1 + next_random() % 4;
        size_t kept = next_random() % 4 == 0 ? next_random() % (size + 1) : size;

        memcpy(mutated, seed, size);
        for (size_t k = 0; k < changes; k++)
            mutated[next_random() % size] = (uint8_t)next_random();
        run_one(mutated, kept);
    }
}

static unsigned run_folder(const char *path)
{
    static uint8_t input[INPUT_MAX_BYTES];
    DIR *folder = opendir(path);
    unsigned files = 0;

    if (folder == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[4096];
        FILE *file;
        size_t size;

        if (entry->d_name[0] == '.')
            continue;
        if (snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) >= (int)sizeof(name))
            continue;
        file = fopen(name, "rb");
        if (file == NULL) {
            perror(name);
            exit(1);
        }
        size = fread(input, 1, sizeof(input), file);
        fclose(file);
        run_one(input, size);
        run_mutations(input, size);
        files++;
    }
    closedir(folder);
    return files;
}

static void run_random(unsigned long runs)
{
    static uint8_t input[INPUT_MAX_BYTES];

    for (unsigned long i = 0; i < runs; i++) {
        /* Mostly short, at times up to 4 KiB. */
        size_t size = next_random() % (i % 16 == 0 ? 4097 : 257);

        for (size_t k = 0; k < size; k++) {
            uint64_t r = next_random();

            /* Zeros and small numbers get further into a decoder than noise does. */
            input[k] = r & 0x100 ? (uint8_t)r : (uint8_t)(r & 0x600 ? 0 : r & 7);
        }
        run_one(input, size);
    }
}

int main(int argc, char **argv)
{
    const char *wanted = getenv("DRIVER_RUNS");
    unsigned long runs = wanted != NULL ? strtoul(wanted, NULL, 10) : 20000;
    unsigned files = 0;

    if (LLVMFuzzerInitialize != NULL)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++)
        files += run_folder(argv[i]);
    run_one(NULL, 0);
    run_random(runs);
    printf("%u seed files, %lu pseudo-random buffers\n", files, runs);
    return 0;
}
