/* --setup and --teardown: let members of a group record without being root. */
#ifndef GILTRACER_SETUP_H
#define GILTRACER_SETUP_H

/*
 * Sets kernel.perf_event_paranoid to -1 and lets `group` read tracefs, until teardown or the
 * next boot; what was there is noted in /run/giltracer. Return exit statuses.
 */
int gt_setup(const char *group);
int gt_teardown(void);

#endif
