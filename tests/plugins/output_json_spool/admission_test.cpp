// SPDX-License-Identifier: Apache-2.0
#include "spool_fixture.hpp"

namespace lsmtpd::json_spool::testing {
namespace {

using AdmissionTest = SpoolTest;

TEST_F(AdmissionTest, IsReadyWhereThereIsRoom) {
  start();
  const lsmtpd_admission admission = lsmtpd_test_admission(host_);
  EXPECT_EQ(admission.ready, 1u);
  EXPECT_EQ(admission.max_message_size, 0u);
}

TEST_F(AdmissionTest, IsNotReadyFromTheStartWhereThereIsNoRoomAndSaysWhy) {
  option("min_free", "1000GiB");
  Faults::get().space(FreeSpace{1000, 1000, true});
  start();
  const lsmtpd_admission admission = lsmtpd_test_admission(host_);
  EXPECT_EQ(admission.ready, 0u);
  EXPECT_NE(std::string(admission.reason.data, admission.reason.size).find("min_free"),
            std::string::npos);
  EXPECT_TRUE(logged("takes no messages now"));
}

TEST_F(AdmissionTest, RecoversByItself) {
  Faults::get().space(FreeSpace{0, 1000, true});
  start();
  EXPECT_EQ(lsmtpd_test_admission(host_).ready, 0u);
  Faults::get().space(std::nullopt);
  wait_until([this] { return lsmtpd_test_admission(host_).ready == 1; });
  EXPECT_TRUE(logged("takes messages again"));
}

TEST_F(AdmissionTest, AMessageThatComesWhereTheDirectoryWasReplacedGetsA4xx) {
  start();
  EXPECT_EQ(store(mail()).kind, LSMTPD_STORED);
  fs::rename(directory_, root_ / "elsewhere");
  fs::create_directory(directory_);
  wait_until([this] { return lsmtpd_test_admission(host_).ready == 0; });
  EXPECT_EQ(store(mail()).kind, LSMTPD_TEMPFAIL) << "MAIL was answered before it was noticed";
  EXPECT_TRUE(logged("renamed, removed or replaced"));
}

TEST_F(AdmissionTest, AMessageThatWouldPassMaxBytesIsRefused) {
  option("max_bytes", "3000");
  start();
  EXPECT_EQ(store(mail(std::string(1000, 'x'))).kind, LSMTPD_STORED);
  // The first sweep counts a message twice that is stored while it begins: this one may be refused.
  store(mail(std::string(1000, 'x')));
  const auto& verdict = store(mail(std::string(1000, 'x')));
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(verdict.code, 452u);
}

TEST_F(AdmissionTest, AFileSystemThatIsFullGetsA452) {
  start();
  Faults::get().fail("write_at", 0, ENOSPC);
  const auto& verdict = store(mail());
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(verdict.code, 452u);
  EXPECT_STREQ(verdict.enhanced, "4.3.1");
}

}  // namespace
}  // namespace lsmtpd::json_spool::testing
