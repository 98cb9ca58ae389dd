/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "cli.h"
#include "common/console.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 1 << 20 };

static const char remedy[] = "--no-config leaves the file out";

void gt_config_init(struct gt_config *config)
{
    *config = (struct gt_config){0};
    for (int i = 0; i < GT_CONFIG_FILES; i++) {
        gt_toml_init(&config->files[i].toml);
        gt_strvec_init(&config->files[i].options);
    }
}

void gt_config_release(struct gt_config *config)
{
    for (int i = 0; i < GT_CONFIG_FILES; i++) {
        free(config->files[i].path);
        gt_toml_release(&config->files[i].toml);
        gt_strvec_release(&config->files[i].options);
    }
}

/* --- one value --- */

struct setting {
    struct gt_cli *cli;
    struct gt_config_file *file;
    const struct gt_option *option;
    const struct gt_toml_value *value;
};

static int refuse(const struct gt_config_file *file, uint32_t line, struct gt_error *err,
                  const char *why)
{
    return gt_error_set(err, GT_ERR_USAGE, "%s:%u: %s (%s)", file->path, line, why, remedy);
}

enum accepted { BOOLEAN = 1 << GT_TOML_BOOLEAN, TEXT = 1 << GT_TOML_STRING };

/* Which kinds of values the option takes, one bit each, and in words. */
static unsigned accepts(const struct gt_option *option, const char **words)
{
    static const struct {
        const char *argument;
        unsigned kinds;
        const char *words;
    } numbers[] = {
        {"N", 1 << GT_TOML_INTEGER, "a whole number"},
        {"PERCENT", 1 << GT_TOML_INTEGER, "a whole number"},
        {"TIME", TEXT | 1 << GT_TOML_INTEGER | 1 << GT_TOML_FLOAT, "a time, \"500ms\""},
        {"SIZE", TEXT | 1 << GT_TOML_INTEGER, "a size, \"32M\""},
    };

    *words = option->argument ? "a string, \"…\"" : "true or false";
    if (!option->argument)
        return BOOLEAN;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (strcmp(option->argument, numbers[i].argument) == 0) {
            *words = numbers[i].words;
            return numbers[i].kinds;
        }
    return TEXT;
}

static int refuse_kind(const struct setting *setting, const char *words, struct gt_error *err)
{
    static const char *const kinds[] = {
        [GT_TOML_TABLE] = "a table",         [GT_TOML_ARRAY] = "an array",
        [GT_TOML_STRING] = "a string",       [GT_TOML_INTEGER] = "an integer",
        [GT_TOML_FLOAT] = "a float",         [GT_TOML_BOOLEAN] = "a boolean",
        [GT_TOML_TIME] = "a date or a time",
    };
    bool many = setting->option->flags & GT_OPTION_MANY;
    char why[256];

    snprintf(why, sizeof(why), "%s takes %s%s, not %s", setting->option->name, words,
             many ? ", or an array of them" : "", kinds[setting->value->kind]);
    return refuse(setting->file, setting->value->line, err, why);
}

/* perf takes an event that looks like a file's name for a program to load. */
static bool is_plain_event(const char *event)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_:-";

    return !event[strspn(event, plain)];
}

/* The value of an option, or one of several. */
static int set_one(struct setting *setting, struct gt_error *err)
{
    const struct gt_toml_value *value = setting->value;
    const struct gt_intern *texts = &setting->file->toml.texts;
    const char *text = gt_intern_text(texts, value->text), *words;
    struct gt_error why = {0};
    int rc;

    if (!(accepts(setting->option, &words) & 1u << value->kind))
        return refuse_kind(setting, words, err);
    if (strlen(text) != gt_intern_length(texts, value->text))
        return refuse(setting->file, value->line, err, "a NUL in a string");
    if (setting->option->id == OPTION_EVENT && !is_plain_event(text))
        return refuse(setting->file, value->line, err,
                      "in a file, the name of an event has letters, digits, _, - and : only: "
                      "others are for -e");
    if (value->kind == GT_TOML_BOOLEAN)
        rc = gt_cli_set(setting->cli, setting->option, NULL, value->truth, &why);
    else
        rc = gt_cli_set(setting->cli, setting->option, text, true, &why);
    return rc < 0 ? refuse(setting->file, value->line, err, why.message) : 0;
}

static int set_many(struct setting *setting, struct gt_error *err)
{
    const struct gt_toml *toml = &setting->file->toml;
    int rc = 0;

    for (uint32_t i = setting->value->first; rc == 0 && i != GT_TOML_NONE;
         i = setting->value->next) {
        setting->value = gt_toml_at(toml, i);
        rc = set_one(setting, err);
    }
    return rc;
}

/* --- one file --- */

static int refuse_name(const struct gt_config_file *file, const struct gt_toml_value *value,
                       struct gt_error *err)
{
    const char *name = gt_intern_text(&file->toml.texts, value->key);
    size_t length = gt_intern_length(&file->toml.texts, value->key);
    const struct gt_option *known = gt_options_find(gt_cli_table, name, length);
    const struct gt_option *like = gt_options_like(gt_cli_table, name, length);
    char why[512];

    if (known && length)
        snprintf(why, sizeof(why),
                 "%s is for the command line alone: a file does not say what runs, what is "
                 "written, or with whose rights: remove it",
                 name);
    else if (like && like->flags & GT_OPTION_CONFIG)
        snprintf(why, sizeof(why), "there is no option %.200s: did you mean %s?", name,
                 like->name);
    else if (strcmp(name, "tool") == 0)
        snprintf(why, sizeof(why),
                 "in this file options stand at the top: remove [tool.giltracer]");
    else
        snprintf(why, sizeof(why), "there is no option %.200s: giltracer --help all lists them",
                 name);
    return refuse(file, value->line, err, why);
}

/* What --pid has no use for, and would refuse. */
static bool fits(const struct gt_cli *cli, const struct gt_option *option)
{
    return !cli->pid || option->id != OPTION_REPEAT;
}

static int set_option(struct gt_cli *cli, struct gt_config_file *file, uint32_t index,
                      struct gt_error *err)
{
    const struct gt_toml_value *value = gt_toml_at(&file->toml, index);
    const char *name = gt_intern_text(&file->toml.texts, value->key);
    const struct gt_option *option =
        gt_options_find(gt_cli_table, name, gt_intern_length(&file->toml.texts, value->key));
    struct setting setting = {cli, file, option, value};
    int rc;

    if (!option || !(option->flags & GT_OPTION_CONFIG))
        return refuse_name(file, value, err);
    if (cli->given[option->id] || !fits(cli, option))
        return 0;
    cli->given[option->id] = true;
    if (value->kind == GT_TOML_ARRAY && option->flags & GT_OPTION_MANY)
        rc = set_many(&setting, err);
    else
        rc = set_one(&setting, err);
    if (rc == 0 && gt_strvec_push(&file->options, option->name))
        rc = gt_error_memory(err);
    return rc;
}

static int set_options(struct gt_cli *cli, struct gt_config_file *file, uint32_t table,
                       struct gt_error *err)
{
    const struct gt_toml_value *value = gt_toml_at(&file->toml, table);
    int rc = 0;

    if (value->kind != GT_TOML_TABLE)
        return refuse(file, value->line, err, "[tool.giltracer] is to be one table");
    for (uint32_t i = value->first; rc == 0 && i != GT_TOML_NONE;
         i = gt_toml_at(&file->toml, i)->next)
        rc = set_option(cli, file, i, err);
    return rc;
}

static bool mentions_us(const struct gt_buf *text)
{
    static const char name[] = "giltracer";

    return text->length && memmem(text->data, text->length, name, sizeof(name) - 1);
}

static int read_bytes(int fd, const char *path, struct gt_buf *text, struct gt_error *err)
{
    int rc = gt_fs_read_from(fd, path, text, FILE_BYTES_MAX + 1, err);

    if (rc < 0 || text->length <= FILE_BYTES_MAX)
        return rc;
    return gt_error_set(err, GT_ERR_USAGE, "%s is larger than a megabyte (%s)", path, remedy);
}

/* Of a file that may be anybody's: would it set options? */
static bool would_matter(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct gt_buf text;
    struct stat st;
    bool matters = true;

    gt_buf_init(&text);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        read_bytes(fd, path, &text, NULL) == 0)
        matters = mentions_us(&text);
    if (fd >= 0)
        close(fd);
    gt_buf_release(&text);
    return matters;
}

/* 1: there is something to be read in `text`; 0: not. */
static int read_file(const char *path, bool ours, struct gt_buf *text, struct gt_error *err)
{
    struct gt_error why;
    int fd, rc;

    if (access(path, F_OK) && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    fd = gt_path_open_trusted(path, &why);
    if (fd < 0) {
        if (why.code != GT_ERR_NOT_FOUND && (ours || would_matter(path)))
            gt_say("%s is not read: %s (--no-config does not look for it)", path, why.message);
        return 0;
    }
    rc = read_bytes(fd, path, text, err);
    close(fd);
    return rc < 0 ? rc : ours || mentions_us(text);
}

/* `ours`: all of the file is options. */
static int apply_file(struct gt_cli *cli, struct gt_config_file *file, const char *path,
                      bool ours, struct gt_error *err)
{
    struct gt_toml *toml = &file->toml;
    struct gt_error why;
    struct gt_buf text;
    uint32_t table = 0;
    int rc;

    gt_buf_init(&text);
    rc = read_file(path, ours, &text, err);
    if (rc > 0) {
        file->path = strdup(path);
        rc = !file->path ? gt_error_memory(err)
             : gt_toml_read(toml, text.data, text.length, &why) < 0
                 ? refuse(file, toml->line, err, why.message)
                 : 0;
        if (rc == 0 && !ours)
            table = gt_toml_find(toml, gt_toml_find(toml, 0, "tool"), "giltracer");
        if (rc == 0 && table != GT_TOML_NONE)
            rc = set_options(cli, file, table, err);
    }
    gt_buf_release(&text);
    if (rc < 0 || table == GT_TOML_NONE) {
        free(file->path);
        file->path = NULL;
    }
    return rc;
}

/* --- all files --- */

/* False: there is no such place. */
static bool find_users_file(char path[PATH_MAX])
{
    const char *folder = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    bool named = folder && folder[0] == '/';
    int length = snprintf(path, PATH_MAX, "%s%s/giltracer.toml", named ? folder : home,
                          named ? "" : "/.config");

    return (named || (home && home[0] == '/')) && length < PATH_MAX;
}

static bool find_projects_file(char path[PATH_MAX])
{
    static const char name[] = "/pyproject.toml";

    if (!getcwd(path, PATH_MAX - sizeof(name)))
        return false;
    strcat(path, strcmp(path, "/") == 0 ? name + 1 : name);
    return true;
}

static int apply_files(struct gt_cli *cli, struct gt_error *err)
{
    struct gt_config *config = &cli->config;
    char path[PATH_MAX];
    size_t used = 0;
    int rc = 0;

    if (find_projects_file(path))
        rc = apply_file(cli, &config->files[0], path, false, err);
    if (rc == 0 && find_users_file(path))
        rc = apply_file(cli, &config->files[1], path, true, err);
    for (int i = 0; rc == 0 && i < GT_CONFIG_FILES; i++)
        if (config->files[i].path)
            config->used[used++] =
                (struct gt_run_config){config->files[i].path, config->files[i].options.items};
    return rc;
}

int gt_config_apply(struct gt_cli *cli, struct gt_error *err)
{
    struct gt_error why;
    int rc = 0;

    if (!cli->no_config && !cli->dump && !cli->control_fd)
        rc = apply_files(cli, err);
    if (rc < 0)
        return rc;
    rc = gt_cli_check(cli, &why);
    if (rc == 0)
        return 0;
    for (int i = 0; i < GT_CONFIG_FILES; i++)
        if (cli->config.files[i].options.count)
            return gt_error_set(err, why.code, "%s (options also come from %s: %s)",
                                why.message, cli->config.files[i].path, remedy);
    if (err)
        *err = why;
    return rc;
}

void gt_config_say(const struct gt_config *config)
{
    for (const struct gt_run_config *used = config->used; used->file; used++) {
        struct gt_buf names;
        int rc = 0;

        gt_buf_init(&names);
        for (char *const *name = used->options; rc == 0 && name && *name; name++)
            rc = gt_buf_addf(&names, "%s%s", name == used->options ? "" : ", ", *name);
        if (rc == 0 && names.length)
            gt_say("%s: from %s", names.data, used->file);
        gt_buf_release(&names);
    }
}
