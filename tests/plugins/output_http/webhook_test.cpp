// SPDX-License-Identifier: Apache-2.0
// Signatures, and the files that keys and token stand in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "rig_http.hpp"
#include "webhook.hpp"

namespace lsmtpd::output_http::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kKey = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

std::string sign(const std::string& keys, std::string_view id, std::uint64_t at,
                 std::string_view body) {
  Signer signer(*parse_keys(keys), id, at);
  for (const char c : body) signer.add({&c, 1});
  return signer.signature();
}

TEST(Signature, IsThatOfStandardWebhooks) {
  EXPECT_EQ(sign(kKey, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(Signature, ThereIsOneForEachKey) {
  const std::string both =
      std::string(kKey) + "\r\n\na2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=\n";
  EXPECT_EQ(sign(both, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= "
            "v1,+qNgyReIHqPuR060oMQ+nyzPsJZG+OFv/pI9RG/w4Ts=");
}

TEST(Key, ThatIsNoneIsNamedWithoutIt) {
  for (const char* bad : {"", "\n", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all!",
                          "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"}) {
    const auto keys = parse_keys(bad);
    ASSERT_FALSE(keys) << bad;
    EXPECT_THAT(keys.error(), Not(HasSubstr("MfKQ")));
  }
}

class SecretFiles : public testing::Test {
 protected:
  SecretFiles() {
    char name[] = "/tmp/output_http_test.XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~SecretFiles() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path + ".new") << text;
    std::filesystem::permissions(path + ".new", std::filesystem::perms::owner_read);
    std::filesystem::rename(path + ".new", path);
    return path;
  }
  std::string folder_;
};

TEST_F(SecretFiles, SignAndAuthorizeAndAreReadAgainWhenTheyChange) {
  HttpService server(always("200 OK"));
  Rig rig;
  rig.option("format", "raw");
  rig.option("signing_key_files", write("key", kKey)).option("token_file", write("token", "abc\n"));
  rig.open(server);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  const auto signed_with = [](const std::string& request, const std::string& keys) {
    return sign(keys, field_of(request, "webhook-id"),
                std::stoull(field_of(request, "webhook-timestamp")), body_of(request));
  };
  const std::string first = server.requests().at(0);
  EXPECT_EQ(field_of(first, "webhook-signature"), signed_with(first, kKey));
  EXPECT_EQ(field_of(first, "webhook-id"), field_of(first, "Idempotency-Key"));
  EXPECT_EQ(field_of(first, "Authorization"), "Bearer abc");

  const std::string rotated =
      std::string(kKey) + "\nwhsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
  write("key", rotated);
  write("token", "def");
  rig.advance(1001);
  std::string large;
  while (large.size() < 300'000) large += "line " + std::to_string(large.size()) + "\r\n";
  EXPECT_EQ(rig.deliver(rig.mail(large)).kind, LSMTPD_STORED);
  const std::string second = server.requests().at(1);
  EXPECT_TRUE(body_of(second) == large);
  EXPECT_EQ(field_of(second, "webhook-signature"), signed_with(second, rotated));
  EXPECT_EQ(field_of(second, "Authorization"), "Bearer def");

  write("key", "nonsense");
  rig.advance(1001);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  const std::string third = server.requests().at(2);
  EXPECT_EQ(field_of(third, "webhook-signature"), signed_with(third, rotated)) << "the old ones";
  EXPECT_THAT(rig.log(), HasSubstr("a secret cannot be read again"));
  EXPECT_THAT(rig.log(), Not(HasSubstr("nonsense")));
}

TEST_F(SecretFiles, ThatCannotBeUsedKeepTheInstanceFromStarting) {
  Rig rig;
  rig.option("url", "https://example.org/").option("signing_key_files", write("key", "secret!"));
  rig.option("token_file", folder_ + "/missing");
  EXPECT_NE(rig.start(), 0);
  EXPECT_THAT(rig.errors(), HasSubstr("signing_key_files"));
  EXPECT_THAT(rig.errors(), HasSubstr("token_file"));
  EXPECT_THAT(rig.errors(), Not(HasSubstr("secret!")));
}

}  // namespace
}  // namespace lsmtpd::output_http::test
