#include "world.h"
void takeover_run(struct world *w);
void takeover_run(struct world *w) { (void)w; }
