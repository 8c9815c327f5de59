// SPDX-License-Identifier: Apache-2.0
/* filter_rust against the fake host. */
#include <lsmtpd/testing.h>

static int failed;

static void expect(int condition, const char* what) {
  if (!condition) fprintf(stderr, "failed: %s\n", what);
  if (!condition) failed = 1;
}

static uint32_t kind(lsmtpd_test* t, const char* content, int spilled) {
  lsmtpd_test_mail* mail = lsmtpd_test_mail_new(t, "a@example.org", "b@example.org", content);
  if (spilled) lsmtpd_test_mail_spill(mail);
  return lsmtpd_test_filter(t, mail)->kind;
}

int main(int argc, char** argv) {
  const char* spam = "Subject: x\r\nx-spam-flag: no\r\nX-Spam-Flag:  yes\r\n\r\nbody\r\n";
  lsmtpd_test* t = lsmtpd_test_new();
  if (argc != 2 || lsmtpd_test_load(t, argv[1]) != 0) {
    fprintf(stderr, "usage: %s PLUGIN.so\n%s", argv[0], lsmtpd_test_errors(t));
    return 2;
  }
  expect(lsmtpd_test_start(t) == 0, lsmtpd_test_errors(t));
  t->offload = LSMTPD_TEST_OFFLOAD_THREAD;
  expect(kind(t, "Subject: x\r\n\r\nX-Spam-Flag: YES\r\n", 0) == LSMTPD_CONTINUE, "a body is none");
  expect(kind(t, spam, 0) == LSMTPD_REJECT, "the field is found");
  expect(kind(t, spam, 1) == LSMTPD_REJECT, "also where the message lies in a file");
  t->reads_to_fail = -1;
  expect(kind(t, spam, 1) == LSMTPD_TEMPFAIL, "a header that cannot be read gets TEMPFAIL");
  t->no_offload = 1;
  expect(kind(t, spam, 0) == LSMTPD_TEMPFAIL, "no thread: tempfail");
  expect(strcmp(lsmtpd_test_finish(t), "") == 0, lsmtpd_test_failures(t));
  lsmtpd_test_free(t);
  return failed;
}
