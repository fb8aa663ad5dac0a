/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <signal.h>

#define MAILS 1000
#define SENDERS 4

typedef struct Letter {
        Mail mail;
        unsigned sender, number;
} Letter;

static unsigned next_number[SENDERS], n_delivered;
static Worker *delivered_on;

static void on_letter(Worker *w, Mail *mail) {
        Letter *letter = container_of(mail, Letter, mail);

        delivered_on = w;
        if (letter->number == next_number[letter->sender])
                next_number[letter->sender]++;
        n_delivered++;
        free(letter);
}

static void post(Worker *w, unsigned sender, unsigned number, MailFn deliver) {
        Letter *letter = new0(Letter, 1);

        letter->sender = sender;
        letter->number = number;
        worker_post(w, &letter->mail, deliver);
}

static void send_many(void *arg) {
        for (unsigned i = 0; i < MAILS; i++)
                post(worker, *(unsigned*) arg, i, on_letter);
}

static void test_mail_of_several_threads_arrives_in_order(void **state _unused_) {
        unsigned numbers[SENDERS];
        uv_thread_t threads[SENDERS];

        n_delivered = 0;
        memset(next_number, 0, sizeof(next_number));
        for (unsigned i = 0; i < SENDERS; i++) {
                numbers[i] = i;
                assert_int_equal(uv_thread_create(&threads[i], send_many, &numbers[i]), 0);
        }
        turn_while(n_delivered < SENDERS * MAILS);
        for (unsigned i = 0; i < SENDERS; i++) {
                uv_thread_join(&threads[i]);
                assert_int_equal(next_number[i], MAILS);
        }
        assert_ptr_equal(delivered_on, worker);
}

static void on_letter_answer(Worker *w, Mail *mail) {
        Letter *letter = container_of(mail, Letter, mail);

        if (letter->number > 0)
                post(w, letter->sender, letter->number - 1, on_letter_answer);
        n_delivered++;
        free(letter);
}

static void test_mail_may_be_posted_while_mail_is_delivered(void **state _unused_) {
        n_delivered = 0;
        post(worker, 0, 9, on_letter_answer);
        turn_while(n_delivered < 10);
}

static bool fault_is_blocked;

static void on_last_letter(Worker *w, Mail *mail) {
        sigset_t blocked;

        pthread_sigmask(SIG_SETMASK, NULL, &blocked);
        next_number[0] = (unsigned) sigismember(&blocked, SIGTERM);
        fault_is_blocked = sigismember(&blocked, SIGSEGV);
        free(container_of(mail, Letter, mail));
        worker_end(w);
}

static void test_a_worker_runs_in_a_thread_without_signals_but_its_faults(void **state _unused_) {
        Worker *other = NULL;
        sigset_t before, after;

        pthread_sigmask(SIG_SETMASK, NULL, &before);
        assert_int_equal(worker_new(&other, 7), 0);
        assert_int_equal(other->index, 7);
        assert_int_equal(worker_start(other), 0);
        n_delivered = 0;
        next_number[0] = 0;
        post(other, 0, 0, on_letter);
        post(other, 0, 0, on_last_letter);
        worker_join(other);
        assert_int_equal(n_delivered, 1);
        assert_ptr_equal(delivered_on, other);
        assert_int_equal(next_number[0], 1);
        assert_false(fault_is_blocked);
        assert_null(worker_free(other));
        pthread_sigmask(SIG_SETMASK, NULL, &after);
        assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

static void test_a_worker_that_never_ran_is_freed(void **state _unused_) {
        Worker *other = NULL;

        assert_int_equal(worker_new(&other, 1), 0);
        assert_null(worker_free(other));
        assert_null(worker_free(NULL));
}

typedef struct Item {
        ReadyItem ready;
        unsigned n_runs, limit; /* queues itself again below the limit */
        struct Item *takes_off; /* takes this one off the queue, or NULL */
} Item;

static char ready_order[64];

static void on_item(ReadyItem *ready) {
        Item *item = container_of(ready, Item, ready);

        assert_false(item->ready.queued);
        item->n_runs++;
        strcat(ready_order, item->limit > 1 ? "r" : "o");
        if (item->takes_off)
                worker_unready(worker, &item->takes_off->ready);
        if (item->n_runs < item->limit)
                worker_ready(worker, &item->ready);
}

static void test_ready_items_run_once_in_order(void **state _unused_) {
        Item a = { .ready.run = on_item, .limit = 1 }, b = { .ready.run = on_item, .limit = 2 };

        ready_order[0] = '\0';
        worker_ready(worker, &a.ready);
        worker_ready(worker, &b.ready);
        worker_ready(worker, &a.ready); /* is queued already */
        turn_while(b.n_runs < 2);
        assert_string_equal(ready_order, "orr");
        turn();
        assert_string_equal(ready_order, "orr");
}

static void test_an_item_taken_off_does_not_run(void **state _unused_) {
        Item a = { .ready.run = on_item, .limit = 1 }, b = { .ready.run = on_item, .limit = 1 };

        ready_order[0] = '\0';
        worker_unready(worker, &a.ready); /* isn't queued */
        worker_ready(worker, &a.ready);
        worker_ready(worker, &b.ready);
        worker_unready(worker, &a.ready);
        turn_while(b.n_runs < 1);
        assert_int_equal(a.n_runs, 0);
}

static void test_items_queued_meanwhile_wait_for_the_next_turn(void **state _unused_) {
        Item a = { .ready.run = on_item, .limit = 20 };

        ready_order[0] = '\0';
        worker_ready(worker, &a.ready);
        for (unsigned i = 1; i <= 20; i++) {
                turn();
                assert_int_equal(a.n_runs, i);
        }
}

static void test_they_wait_also_when_the_last_one_is_taken_off(void **state _unused_) {
        Item last = { .ready.run = on_item, .limit = 1 };
        Item a = { .ready.run = on_item, .limit = 20, .takes_off = &last };

        ready_order[0] = '\0';
        worker_ready(worker, &a.ready);
        worker_ready(worker, &last.ready);
        turn();
        assert_int_equal(a.n_runs, 1);
        assert_int_equal(last.n_runs, 0);
        turn_while(a.n_runs < 20);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                worker_test(test_mail_of_several_threads_arrives_in_order),
                worker_test(test_mail_may_be_posted_while_mail_is_delivered),
                worker_test(test_a_worker_runs_in_a_thread_without_signals_but_its_faults),
                worker_test(test_a_worker_that_never_ran_is_freed),
                worker_test(test_ready_items_run_once_in_order),
                worker_test(test_an_item_taken_off_does_not_run),
                worker_test(test_items_queued_meanwhile_wait_for_the_next_turn),
                worker_test(test_they_wait_also_when_the_last_one_is_taken_off),
        };

        return cmocka_run_group_tests_name("net/worker", tests, NULL, NULL);
}
