/* SPDX-License-Identifier: MIT */
#include "report/blocks.h"

#include "base/width.h"

#include <string.h>

#define RED    "\033[31m"
#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define PLAIN  "\033[0m"

/* The verdict's first words in the colour of what they mean. */
static const char *verdict_color(const char *sentence)
{
    static const struct {
        const char *words, *color;
    } verdicts[] = {{"GIL-bound:", RED},      {"Partly GIL-bound:", YELLOW},
                    {"Lock-bound:", RED},     {"Partly lock-bound:", YELLOW},
                    {"Not GIL-bound", GREEN}, {"No thread ever waited", GREEN}};

    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
        if (strncmp(sentence, verdicts[i].words, strlen(verdicts[i].words)) == 0)
            return verdicts[i].color;
    return NULL;
}

static int put_sentence(const char *sentence, const struct gt_print_options *how,
                        struct gt_buf *text)
{
    const char *color = how->color ? verdict_color(sentence) : NULL;
    size_t start = text->length, words = color ? strcspn(sentence, ":.") : 0;

    if (gt_buf_addf(text, "%s%.*s%s%s\n", color ? color : "", (int)words, sentence,
                    color ? PLAIN : "", sentence + words))
        return -1;
    gt_text_wrap(text->data + start, how->width);
    return 0;
}

int gt_sentences_print(const struct gt_strvec *sentences, const struct gt_print_options *how,
                       struct gt_buf *text)
{
    for (size_t i = 0; i < sentences->count; i++)
        if (put_sentence(sentences->items[i], how, text))
            return -1;
    return 0;
}
