/* Search: the report that both modes fill in. See search.h. */
#include "search.h"

#include "shrink.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

void search_report_deinit(struct search_report *report)
{
    free(report->first_red.actions);
    report->first_red.actions = NULL;
}

bool search_report_count(struct search_report *report, enum checker_verdict verdict)
{
    report->conflicts += verdict == CHECKER_CONFLICT;
    report->stuck_selections += verdict == CHECKER_STUCK_SELECTION;
    report->stuck_claims += verdict == CHECKER_STUCK_CLAIM;
    return verdict != CHECKER_GREEN;
}

int search_report_keep(struct search_report *report, const struct search_run *run,
                       enum checker_verdict verdict)
{
    struct search_run *kept = &report->first_red;

    free(kept->actions);
    *kept = *run;
    kept->actions = malloc((run->count + 1) * sizeof *run->actions);
    if (kept->actions == NULL)
        return -1;
    memcpy(kept->actions, run->actions, run->count * sizeof *run->actions);
    if (verdict != CHECKER_GREEN)
        kept->count = shrink_run(&kept->start, kept->actions, kept->count, verdict);
    return 0;
}

double search_clock(void)
{
    struct timespec now;

    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
