/* SPDX-License-Identifier: MIT */
/* lib/analysis/charges: the sums are those of charging each waiter by itself, in fewer steps.
 */
#include "analysis/charges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MEMBERS = 64, KEYS = 80 };

struct ledger {
    struct gt_charges charges;
    int64_t plain[MEMBERS][KEYS], charged[MEMBERS][KEYS];
    bool waits[MEMBERS];
    uint64_t stretches, steps;
};

static int count(void *context, uint32_t member, uint32_t key, int64_t ns)
{
    struct ledger *ledger = context;

    ledger->charged[member][key] += ns;
    ledger->steps++;
    return 0;
}

static struct ledger *begin(void)
{
    struct ledger *ledger = calloc(1, sizeof(*ledger));

    assert_non_null(ledger);
    assert_int_equal(gt_charges_init(&ledger->charges, MEMBERS, count, ledger), 0);
    return ledger;
}

static void set(struct ledger *ledger, uint32_t member, bool waits)
{
    ledger->waits[member] = waits;
    if (waits)
        gt_charges_begin(&ledger->charges, member);
    else
        gt_charges_end(&ledger->charges, member);
}

static void add(struct ledger *ledger, uint32_t key, int64_t ns)
{
    for (uint32_t i = 0; i < MEMBERS; i++)
        ledger->plain[i][key] += ledger->waits[i] ? ns : 0;
    ledger->stretches++;
    assert_int_equal(gt_charges_add(&ledger->charges, key, ns), 0);
}

/* All is charged as it would have been one by one. Returns the steps that a stretch took. */
static double end(struct ledger *ledger)
{
    double steps;

    assert_int_equal(gt_charges_finish(&ledger->charges), 0);
    assert_memory_equal(ledger->plain, ledger->charged, sizeof(ledger->plain));
    steps = (double)ledger->steps / (double)ledger->stretches;
    gt_charges_release(&ledger->charges);
    free(ledger);
    return steps;
}

static void any_order_gives_the_same_sums(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 40; seed++) {
        struct ledger *ledger = begin();

        srand(seed);
        for (int i = 0; i < 4000; i++) {
            int keys = 1 + i * KEYS / 4000; /* new ones come up */

            /* Some change often, some now and then, some hardly ever. */
            for (int j = 0; j < 3; j++)
                set(ledger, (uint32_t)(rand() % MEMBERS >> rand() % 6), rand() % 4 != 0);
            add(ledger, (uint32_t)(rand() % keys), rand() % 1000);
        }
        end(ledger);
    }
}

/* In turns one has it, and `waiting` others wait; the rest never does. */
static double convoy(uint32_t waiting)
{
    struct ledger *ledger = begin();

    for (uint32_t i = 0; i < waiting; i++)
        set(ledger, i, true);
    for (int i = 0; i < 100000; i++) {
        uint32_t holder = (uint32_t)i % waiting;

        set(ledger, holder, false);
        add(ledger, holder, 5);
        set(ledger, holder, true);
        add(ledger, KEYS - 1, 1); /* a gap */
    }
    return end(ledger);
}

static void a_convoy_takes_a_step_or_two_a_stretch(void **state)
{
    (void)state;
    assert_true(convoy(MEMBERS) < 2);
    assert_true(convoy(MEMBERS / 2) < 2);
    assert_true(convoy(2) < 2);
}

/* Who waits for a long time now and then is charged at the end of each. */
static void long_waits_take_no_step_a_stretch(void **state)
{
    struct ledger *ledger = begin();

    (void)state;
    for (int i = 0; i < 100000; i++) {
        if (i % 5000 == 0)
            for (uint32_t j = 0; j < MEMBERS; j++)
                set(ledger, j, i / 5000 % 2 == 0);
        add(ledger, (uint32_t)i % 3, 7);
    }
    assert_true(end(ledger) < 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_gives_the_same_sums),
        cmocka_unit_test(a_convoy_takes_a_step_or_two_a_stretch),
        cmocka_unit_test(long_waits_take_no_step_a_stretch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
