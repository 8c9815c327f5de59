// SPDX-License-Identifier: Apache-2.0
/* The fake host works from C11: filter_size is loaded and asked. */
#include <lsmtpd/testing.h>

static int failed;

static void expect(int condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "failed: %s\n", what);
  failed = 1;
}

int main(int argc, char** argv) {
  lsmtpd_test* t = lsmtpd_test_new();
  if (argc != 2 || lsmtpd_test_load(t, argv[1]) != 0) {
    fprintf(stderr, "usage: %s PLUGIN.so\n%s", argv[0], lsmtpd_test_errors(t));
    return 2;
  }
  lsmtpd_test_option(t, "max", "1KiB");
  expect(lsmtpd_test_start(t) == 0, lsmtpd_test_errors(t));
  lsmtpd_test_mail* mail =
      lsmtpd_test_mail_new(t, "a@example.org", "b@example.org", "Subject: x\r\n\r\nhi\r\n");
  expect(lsmtpd_test_filter(t, mail)->kind == LSMTPD_CONTINUE, "a small message passes");
  char large[2000];
  memset(large, 'x', sizeof large);
  mail = lsmtpd_test_mail_bytes(t, "a@example.org", "b@example.org", large, sizeof large);
  const lsmtpd_test_verdict* verdict = lsmtpd_test_filter(t, mail);
  expect(verdict->kind == LSMTPD_REJECT && verdict->code == 552, "a large one is refused with 552");
  expect(strcmp(lsmtpd_test_finish(t), "") == 0, lsmtpd_test_failures(t));
  lsmtpd_test_free(t);
  return failed;
}
