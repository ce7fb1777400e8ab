#include "world.h"
int main(int argc, char **argv)
{
    struct sim_options o = {.protocol = PROTOCOL_SPLITBFT, .seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, .seconds = 60,
       .faults = argc > 2 ? (unsigned)atoi(argv[2]) : 0, .tolerated = -1, .faulty = {-1,-1,-1}, .faulty_replicas = -1, .hosts = -1,
       .fast_reads = -1, .service = 0, .clients = -1, .attacks_per_s = -1};
    if (argc > 3 && strchr(argv[3], 0x74)) o.trace = stdout;
    if (argc > 3 && strchr(argv[3],0x70)) o.protocol = PROTOCOL_PBFT;
    int runs = argc > 4 ? atoi(argv[4]) : 1;
    struct sim_result r;
    for (int i = 0; i < runs; i++, o.seed++) {
    world_run(&o, &r);
    printf("%llu: %s%s %s ops %llu events %llu faults %llu sim %llu slots %llu vc %llu st %llu at %llu\n", (unsigned long long)o.seed, r.violation ? "VIOLATION ":"", r.stuck?"STUCK":"", r.text, (unsigned long long)r.ops,
    (unsigned long long)r.events,(unsigned long long) r.faults, (unsigned long long)r.simulated_us/1000,(unsigned long long) r.slots, (unsigned long long)r.view_changes, (unsigned long long)r.state_transfers,(unsigned long long)r.attacks);
    }
}
