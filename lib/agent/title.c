/* SPDX-License-Identifier: MIT */
#include "agent/title.h"

#include "agent/clock.h"
#include "agent/log.h"
#include "agent/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TITLE_BYTES = 1024 };

/* Where the kernel put the arguments, and the environment behind them. Programs write their
 * titles there, over both; the kernel then takes the text up to its NUL for the command line.
 */
static struct {
    const char *start, *end, *limit; /* NULL: not known */
    uint64_t hash;                   /* of what was noted last; 0: nothing was */
    uint64_t role_hash;
} title;

uint64_t gt_agent_text_hash(const char *text, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u;

    while (length--)
        hash = (hash ^ (unsigned char)*text++) * 0x100000001b3u;
    return hash | 1;
}

/* Fields 48 to 51 of /proc/self/stat (proc(5)); the second one, in brackets, may hold anything.
 */
static bool parse(char *stat, uintptr_t place[4])
{
    char *at = strrchr(stat, ')');

    for (int field = 2; at && field < 48; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    for (int i = 0; at && i < 4; i++) {
        char *end;

        place[i] = strtoul(at, &end, 10);
        at = end > at ? end : NULL;
    }
    return at && place[0] && place[0] < place[1] && place[1] <= place[2] &&
           place[2] <= place[3];
}

void gt_agent_title_init(void)
{
    int error = errno, fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    char stat[2048];
    ssize_t length = fd >= 0 ? read(fd, stat, sizeof(stat) - 1) : -1;
    uintptr_t place[4];

    title.hash = title.role_hash = 0; /* an agent that is attached again has a new log */
    if (length > 0) {
        stat[length] = '\0';
        if (parse(stat, place)) {
            title.start = (const char *)place[0];
            title.end = (const char *)place[1];
            title.limit = (const char *)place[3];
        }
    }
    if (fd >= 0)
        close(fd);
    errno = error;
}

static void note(struct gt_agent_thread *self, uint16_t kind, const char *text, size_t length,
                 uint64_t *noted)
{
    const struct gt_wire_note note = {
        .kind = kind, .ticks = gt_agent_ticks_ordered(), .id = (uint32_t)gt_agent.pid};
    uint64_t hash = gt_agent_text_hash(text, length);

    if (hash == *noted)
        return;
    *noted = hash;
    gt_agent_note(self, &note, text, length, "", 0);
}

void gt_agent_title_look(struct gt_agent_thread *self)
{
    const char *end = title.end;
    size_t length;

    if (!title.start)
        return;
    if (end[-1]) /* it goes on in the environment's place */
        end = title.start + strnlen(title.start, (size_t)(title.limit - title.start));
    while (end > title.start && !end[-1])
        end--;
    length = (size_t)(end - title.start);
    note(self, GT_WIRE_NOTE_COMMAND, title.start, length < TITLE_BYTES ? length : TITLE_BYTES,
         &title.hash);
}

/* multiprocessing.process._current_process, borrowed; NULL unless the target uses that. */
static PyObject *find_process(void)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *modules = api->PyImport_GetModuleDict();
    PyObject *module =
        modules ? api->PyDict_GetItemString(modules, "multiprocessing.process") : NULL;

    return module && gt_agent_type(module) == api->PyModule_Type
               ? api->PyDict_GetItemString(api->PyModule_GetDict(module), "_current_process")
               : NULL;
}

void gt_agent_role_look(struct gt_agent_thread *self)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *process = find_process();
    PyObject *name = process ? gt_agent_attribute(process, "_name") : NULL;
    ptrdiff_t length = 0;
    const char *text = name && gt_agent_type(name) == api->PyUnicode_Type
                           ? api->PyUnicode_AsUTF8AndSize(name, &length)
                           : NULL;

    if (text && length < TITLE_BYTES && (title.role_hash || strcmp(text, "MainProcess")))
        note(self, GT_WIRE_NOTE_ROLE, text, (size_t)length, &title.role_hash);
    if (name)
        api->Py_DecRef(name);
}
