#ifndef SIM_DISK_IMAGE_H
#define SIM_DISK_IMAGE_H

#include "disk.h"

/* The log after a loss of power, and whatever `fault` does to its files. False: it is damaged; `disk` is as it was. */
bool disk_image_survives(struct world *w, struct disk *disk, enum disk_fault fault);

#endif
