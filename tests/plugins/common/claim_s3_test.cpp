// SPDX-License-Identifier: Apache-2.0
// The bucket of claim_check, apart from its server: its URL, and the list of its objects.
#include <gtest/gtest.h>

#include <sink/claim_s3.hpp>
#include <vector>

namespace lsmtpd::sink {
namespace {

std::string fault(std::string_view url) {
  S3Options options;
  return parse_s3_url(url, &options);
}

TEST(S3Url, HasHostBucketAndPrefix) {
  S3Options options;
  EXPECT_EQ(parse_s3_url("https://s3.example.org:9000/mail/large/bodies", &options), "");
  EXPECT_EQ(options.endpoint, "https://s3.example.org:9000");
  EXPECT_EQ(options.bucket, "mail");
  EXPECT_EQ(options.prefix, "large/bodies/");
  EXPECT_EQ(parse_s3_url("http://127.0.0.1/mail", &options), "");
  EXPECT_EQ(options.bucket, "mail");
  EXPECT_EQ(options.prefix, "");
}

TEST(S3Url, ThatNamesNoBucketOrCannotBeSignedIsRefused) {
  EXPECT_NE(fault("https://s3.example.org"), "");
  EXPECT_NE(fault("https://s3.example.org/"), "");
  EXPECT_NE(fault("ftp://s3.example.org/mail"), "");
  EXPECT_NE(fault("https://key:secret@s3.example.org/mail"), "");
  EXPECT_NE(fault("https://s3.example.org/mail?x=y"), "");
  EXPECT_NE(fault("https://s3.example.org/mail/a b"), "");
}

constexpr const char* kAnswer =
    "<?xml version=\"1.0\"?><ListBucketResult><Name>mail</Name><IsTruncated>true</IsTruncated>"
    "<Contents><Key>large/a</Key><LastModified>2020-01-02T03:04:05.000Z</LastModified>"
    "<Size>5242880</Size></Contents>"
    "<Contents><Key>large/b&amp;c</Key><LastModified>2020-01-02T03:04:05.000Z</LastModified>"
    "<Size>1</Size></Contents>"
    "<Contents><Key>other/d</Key><LastModified>2020-01-02T03:04:05.000Z</LastModified>"
    "<Size>1</Size></Contents>"
    "<NextContinuationToken>1/x==</NextContinuationToken></ListBucketResult>";

TEST(S3List, HasTheObjectsBelowThePrefixAndTheNextToken) {
  std::vector<StoredObject> found;
  EXPECT_EQ(read_list(kAnswer, "large/", [&](const StoredObject& one) { found.push_back(one); }),
            "1/x==");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].key, "a");
  EXPECT_EQ(found[0].size, 5242880U);
  EXPECT_GT(found[0].age_s, 5 * 365 * 86400);
}

TEST(S3List, OfAnAnswerThatIsCutHasNoPartOfAnObject) {
  const std::string whole = kAnswer;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    (void)read_list(std::string_view(whole).substr(0, size), "large/", [](const StoredObject& one) {
      EXPECT_EQ(one.key, "a");
      EXPECT_EQ(one.size, 5242880U);
    });
  }
}

}  // namespace
}  // namespace lsmtpd::sink
