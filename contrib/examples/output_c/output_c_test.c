// SPDX-License-Identifier: Apache-2.0
/* output_c against the fake host. */
#include <lsmtpd/testing.h>
#include <sys/stat.h>

static int failed;
static const char* path = "output_c_test.mbox";

static void expect(int condition, const char* what) {
  if (!condition) fprintf(stderr, "failed: %s\n", what);
  if (!condition) failed = 1;
}

static lsmtpd_test* started(void) {
  lsmtpd_test* t = lsmtpd_test_new();
  lsmtpd_test_use(t, &lsmtpd_entry);
  lsmtpd_test_option(t, "path", path);
  expect(lsmtpd_test_start(t) == 0, lsmtpd_test_errors(t));
  return t;
}

static void finish(lsmtpd_test* t) {
  expect(strcmp(lsmtpd_test_finish(t), "") == 0, lsmtpd_test_failures(t));
  lsmtpd_test_free(t);
}

static char* contents(void) {
  static char text[65536];
  FILE* file = fopen(path, "r");
  const size_t size = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
  text[size] = '\0';
  if (file != NULL) fclose(file);
  return text;
}

static void stores_in_memory_and_spilled(void) {
  lsmtpd_test* t = started();
  lsmtpd_test_mail* mail =
      lsmtpd_test_mail_new(t, "a@example.org", "b@example.org",
                           "Subject: x\r\n\r\nFrom here\r\n>From there\r\nFro\r\n>>Fr");
  expect(lsmtpd_test_deliver(t, mail)->kind == LSMTPD_STORED, "a message is stored");
  lsmtpd_test_mail_spill(mail);
  t->offload = LSMTPD_TEST_OFFLOAD_THREAD;
  expect(lsmtpd_test_deliver(t, mail)->kind == LSMTPD_STORED, "a spilled message is stored");
  const char* one =
      "From a@example.org Tue Nov 14 22:13:20 2023\nSubject: x\n\n>From here\n>>From "
      "there\nFro\n>>Fr\n\n";
  char two[1024];
  snprintf(two, sizeof two, "%s%s", one, one);
  expect(strcmp(contents(), two) == 0, contents());
  finish(t);
}

static void takes_back_what_it_cannot_finish(void) {
  lsmtpd_test* t = started();
  const size_t before = strlen(contents());
  lsmtpd_test_mail* mail = lsmtpd_test_mail_new(t, "", "b@example.org", "spilled and unreadable");
  lsmtpd_test_mail_spill(mail);
  t->reads_to_fail = -1;
  const lsmtpd_test_verdict* verdict = lsmtpd_test_deliver(t, mail);
  expect(verdict->kind == LSMTPD_TEMPFAIL, "an unreadable message gets TEMPFAIL");
  expect(strcmp(verdict->detail, "cannot read the message") == 0, verdict->detail);
  expect(strlen(contents()) == before, "nothing of it stays");
  t->no_offload = 1;
  expect(lsmtpd_test_deliver(t, mail)->kind == LSMTPD_TEMPFAIL, "no thread: tempfail");
  finish(t);
}

static void commits_together_what_came_together(void) {
  lsmtpd_test* t = started();
  lsmtpd_call calls[10];
  t->offload = LSMTPD_TEST_OFFLOAD_HELD;
  for (int i = 0; i < 10; ++i)
    calls[i] = lsmtpd_test_ask_deliver(t, lsmtpd_test_mail_new(t, "", "b@example.org", "x\r\n"),
                                       NULL, NULL, 0);
  lsmtpd_test_settle(t);
  expect(lsmtpd_test_answer(t, calls[0]) == NULL, "nothing is stored before the commit");
  t->offload = LSMTPD_TEST_OFFLOAD_TURN;
  for (int i = 0; i < 10; ++i)
    expect(lsmtpd_test_wait(t, calls[i])->kind == LSMTPD_STORED, "all are stored");
  finish(t);
}

static void locks_the_file(void) {
  lsmtpd_test* t = started();
  lsmtpd_test* second = lsmtpd_test_new();
  lsmtpd_test_use(second, &lsmtpd_entry);
  lsmtpd_test_option(second, "path", path);
  expect(lsmtpd_test_start(second) != 0, "a second one does not start");
  expect(strcmp(lsmtpd_test_errors(second), "path: another process has it\n") == 0,
         lsmtpd_test_errors(second));
  finish(second);
  finish(t);
}

int main(void) {
  remove(path);
  stores_in_memory_and_spilled();
  takes_back_what_it_cannot_finish();
  commits_together_what_came_together();
  locks_the_file();
  struct stat status;
  expect(stat(path, &status) == 0 && (status.st_mode & 0777) == 0600,
         "the file is the owner's alone");
  remove(path);
  return failed;
}
