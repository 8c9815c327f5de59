// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <mail_json/mail_reader.hpp>

#include "reference.hpp"

namespace lsmtpd::mail_json::testing {
namespace {

class TextInput : public Input {
 public:
  explicit TextInput(std::string text, std::size_t most = SIZE_MAX)
      : text_(std::move(text)), most_(most) {}
  std::int64_t read_at(std::uint64_t offset, char* buffer, std::size_t size) override {
    if (fail_at && offset >= *fail_at) return -1;
    if (offset >= text_.size()) return 0;
    return static_cast<std::int64_t>(
        text_.copy(buffer, std::min(size, most_), static_cast<std::size_t>(offset)));
  }
  std::optional<std::uint64_t> fail_at;

 private:
  std::string text_;
  std::size_t most_;
};

struct Got {
  std::string error;
  StoredMail mail;
  std::string content;
};

Got read(const std::string& file, std::size_t most = SIZE_MAX) {
  TextInput input(file, most);
  Reader reader(input);
  Got got;
  auto mail = reader.open();
  if (!mail) {
    got.error = mail.error();
    return got;
  }
  got.mail = *mail;
  const auto done = reader.content([&](std::string_view piece) {
    got.content += piece;
    return true;
  });
  if (!done) got.error = done.error();
  return got;
}

// The beginning of the content after open_head(), or "error: ..." of that.
std::string beginning(const std::string& file, std::size_t most, std::size_t most_read = SIZE_MAX) {
  TextInput input(file, most_read);
  Reader reader(input);
  const auto mail = reader.open_head();
  return mail ? reader.beginning(most) : "error: " + mail.error();
}

// As LSMTPD 1.8 writes it, sender behind the content.
const std::string kLsmtpdsOwn =
    R"({"timestamp":"2026-11-22T01:38:39.271215996+00:00","message_id":)"
    R"("f6f326ce-2fca-4246-96ba-aab732d44ad0","client_address":"pc","recipients":["<r@example.org>"],)"
    R"("email_content":"From: x\r\n\r\ncaf\u00e9 \"q\"\r\n","sender":"s@example.org"})";

TEST(Reader, TheHeadIsReadWithoutTheContentBehindIt) {
  const std::string head =
      R"({"timestamp":"2026-11-22T01:38:39+00:00","message_id":"id","client_address":"pc",)"
      R"("recipients":["<r@example.org>"],"sender":"s@example.org",)";
  const std::string text = R"("email_content":"A: \"x\"\r\nB: y\r\n\r\nbody)";
  EXPECT_EQ(beginning(head + text, 1000), "A: \"x\"\r\nB: y\r\n\r\n") << "torn in the body";
  EXPECT_EQ(beginning(head + text, 1000, 1), "A: \"x\"\r\nB: y\r\n\r\n") << "in small reads";
  EXPECT_EQ(beginning(head + text, 9), "A: \"x\"");
  EXPECT_EQ(beginning(head + R"("email_content":"A: x"})", 1000), "A: x");
  EXPECT_EQ(beginning(head + R"("email_content_base64":"QTogeA0KDQpi","email_content":"A)", 1000),
            "A: x\r\n\r\n");
  EXPECT_EQ(beginning(head + R"("email_content":7})", 1000).find("error: the content is not"), 0u);
  EXPECT_EQ(beginning(head, 1000).find("error: "), 0u);
}

TEST(Reader, TheHeadOfLsmtpdsOwnNeedsTheWholeFile) {
  EXPECT_EQ(beginning(kLsmtpdsOwn, 1000), "From: x\r\n\r\n");
  EXPECT_EQ(beginning(kLsmtpdsOwn.substr(0, kLsmtpdsOwn.size() - 3), 1000).find("error: "), 0u);
}

TEST(Reader, ReadsFilesOfLsmtpdsOwn) {
  const Got got = read(kLsmtpdsOwn);
  EXPECT_EQ(got.error, "");
  EXPECT_EQ(got.mail.id, "f6f326ce-2fca-4246-96ba-aab732d44ad0");
  EXPECT_EQ(got.mail.time_ns, 1795311519271215996);
  EXPECT_EQ(got.mail.sender, "s@example.org");
  EXPECT_EQ(got.mail.helo, "pc");
  ASSERT_EQ(got.mail.recipients.size(), 1u);
  EXPECT_EQ(got.mail.recipients[0].address, "r@example.org");
  EXPECT_FALSE(got.mail.has_bookkeeping);
  EXPECT_EQ(got.content, "From: x\r\n\r\ncaf\xC3\xA9 \"q\"\r\n");
}

TEST(Reader, ReadsAllThatTheWriterWrote) {
  StoredMail mail = some_mail();
  mail.recipients.push_back({"second@example.org", "NOTIFY=NEVER", 0});
  mail.mail_parameters = "BODY=8BITMIME";
  mail.peer_address = "2001:db8::1";
  mail.peer_port = 65535;
  mail.protocol = "ESMTP";
  mail.listener = "mx";
  mail.tls = {"TLSv1.3", "AES", "mx.example.org", "CN=client", "00ff", "proxy"};
  mail.auth_user = "user";
  Bookkeeping book{"id.spool",
                   "broker",
                   "lost",
                   4,
                   true,
                   1'700'000'000'123'456'789,
                   {{"headers.spam", "no"}, {"a", "\"\\\r\n"}}};
  for (const bool extra : {true, false}) {
    TextContent content("body");
    const Got got = read(write_all(mail, {extra, &book}, content));
    EXPECT_EQ(got.error, "");
    EXPECT_EQ(got.content, "body");
    ASSERT_EQ(got.mail.recipients.size(), 2u);
    EXPECT_EQ(got.mail.recipients[0].parameters, "");
    EXPECT_EQ(got.mail.recipients[1].parameters, "NOTIFY=NEVER");
    EXPECT_EQ(got.mail.mail_parameters, "BODY=8BITMIME");
    EXPECT_EQ(got.mail.peer_address, "2001:db8::1");
    EXPECT_EQ(got.mail.peer_port, 65535u);
    EXPECT_EQ(got.mail.protocol, "ESMTP");
    EXPECT_EQ(got.mail.listener, "mx");
    EXPECT_EQ(got.mail.tls.version, "TLSv1.3");
    EXPECT_EQ(got.mail.tls.cipher, "AES");
    EXPECT_EQ(got.mail.tls.server_name, "mx.example.org");
    EXPECT_EQ(got.mail.tls.client_subject, "CN=client");
    EXPECT_EQ(got.mail.tls.client_sha256, "00ff");
    EXPECT_EQ(got.mail.tls.by, "proxy");
    EXPECT_EQ(got.mail.auth_user, "user");
    EXPECT_TRUE(got.mail.has_bookkeeping);
    EXPECT_EQ(got.mail.bookkeeping.copy_id, "id.spool");
    EXPECT_EQ(got.mail.bookkeeping.target, "broker");
    EXPECT_EQ(got.mail.bookkeeping.reason, "lost");
    EXPECT_EQ(got.mail.bookkeeping.attempts, 4u);
    EXPECT_TRUE(got.mail.bookkeeping.in_doubt);
    EXPECT_EQ(got.mail.bookkeeping.first_ns, 1'700'000'000'123'456'789);
    EXPECT_EQ(got.mail.bookkeeping.annotations, book.annotations);
  }
}

std::string with_member(const std::string& member) {
  return R"({"timestamp":"2026-11-22T01:38:39.271215996+00:00","message_id":"id",)" + member +
         R"(,"recipients":["<a@x>","<b@x>"],"sender":"s@x","email_content":"x"})";
}

TEST(Reader, TakesTlsAsTheStringThatItWasOnce) {
  EXPECT_EQ(read(with_member(R"("tls":"TLSv1.3 TLS_AES_256_GCM_SHA384")")).mail.tls.version,
            "TLSv1.3");
  EXPECT_EQ(read(with_member(R"("tls":"TLSv1.3 TLS_AES_256_GCM_SHA384")")).mail.tls.cipher,
            "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(read(with_member(R"("tls":"TLSv1.3")")).mail.tls.version, "TLSv1.3");
  EXPECT_EQ(read(with_member(R"("tls":7)")).error, "tls is not an object");
}

TEST(Reader, NumbersOfRecipientsMustFit) {
  const auto numbers = [](const char* list, int total) {
    return read(with_member(R"("lsmtpd":{"format":1,"recipient_total":)" + std::to_string(total) +
                            R"(,"recipient_numbers":)" + list + "}"));
  };
  const Got good = numbers("[0,4]", 5);
  EXPECT_EQ(good.error, "");
  EXPECT_EQ(good.mail.recipient_total, 5u);
  EXPECT_EQ(good.mail.recipients[1].number, 4u);
  for (const char* list : {"[0]", "[0,1,2]", "[0,5]", "[0,-1]", "[0,\"1\"]"})
    EXPECT_EQ(numbers(list, 5).error, "recipient_numbers does not match recipients") << list;
  EXPECT_EQ(numbers("[0,1]", 2).error, "recipient_numbers does not match recipients");
}

TEST(Reader, RandomContentComesBackByteForByte) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    const std::string text = random_text(random, random() % 80);
    TextContent content(text);
    const Got got = read(write_all(some_mail(), {}, content), 1 + random() % 50);
    ASSERT_EQ(got.error, "");
    ASSERT_EQ(got.content, text) << "round " << round;
  }
}

TEST(Reader, ANullSenderStaysNull) {
  StoredMail mail = some_mail();
  mail.sender.clear();
  TextContent content("bounce");
  const Got got = read(write_all(mail, {}, content));
  EXPECT_EQ(got.error, "");
  EXPECT_EQ(got.mail.sender, "");
}

TEST(Reader, AFileCutOffAnywhereIsAnError) {
  for (std::size_t size = 0; size < kLsmtpdsOwn.size(); ++size) {
    EXPECT_NE(read(kLsmtpdsOwn.substr(0, size), 7).error, "") << size;
  }
}

TEST(Reader, AFileWithAnyByteBrokenNeitherCrashesNorHangs) {
  for (std::size_t at = 0; at < kLsmtpdsOwn.size(); ++at) {
    for (const char byte : {'\0', '"', '\\', '{', '}', ',', '\xFF'}) {
      std::string file = kLsmtpdsOwn;
      file[at] = byte;
      read(file, 11);
    }
  }
}

std::string with(const std::string& member) {
  return R"({"timestamp":"2026-11-22T01:38:39Z","message_id":"i","client_address":"c","sender":"s",)" +
         member + "}";
}

TEST(Reader, SaysWhatIsWrongWithAFile) {
  const std::string good = R"("recipients":["<r>"],"email_content":"x")";
  ASSERT_EQ(read(with(good)).error, "");
  const std::pair<std::string, const char*> kCases[] = {
      {"", "empty"},
      {std::string(4096, '\0'), "begin with {"},
      {"[]", "begin with {"},
      {with(good) + "x", "behind"},
      {with(R"("email_content":"x")"), "recipients"},
      {with(R"("recipients":[],"email_content":"x")"), "no recipients"},
      {with(R"("recipients":["<r>"])"), "email_content is missing"},
      {with(R"("recipients":["<r>"],"email_content":7)"), "not a string"},
      {with(good + R"(,"email_content":"y")"), "twice"},
      {with(R"("recipients":[1],"email_content":"x")"), "not a string"},
      {with(good + R"(,"lsmtpd":{"format":2})"), "another version"},
      {with(good + R"(,"lsmtpd":{})"), "format"},
      {with(good + R"(,"lsmtpd":{"format":1,"annotations":{"a":1}})"), "annotation"},
      {with(R"("recipients":["<r>"],"email_content":"\x")"), "encoded"},
      {with(R"("recipients":["<r>"],"email_content":"\u12")"), "ends in an escape"},
      {with(good + R"(,"email_content_base64":"Zg=")"), "cut off"},
      {with(good + R"(,"email_content_base64":"!!!!")"), "encoded"},
      {with(good + R"(,"deep":)" + std::string(100, '[') + std::string(100, ']')), "too deep"},
      {with(good + R"(,"bad":tru)"), "not valid JSON"},
      {with(good + R"(,"bad":[,,])"), "not valid JSON"},
      {with(good + R"(,"recipient_parameters":["","",""])"), "does not match"},
      {R"({"timestamp":"x","message_id":"i","sender":"s",)" + good + "}", "not a time"},
  };
  for (const auto& [file, error] : kCases) {
    EXPECT_NE(read(file).error.find(error), std::string::npos)
        << file.substr(0, 200) << "\n said: " << read(file).error;
  }
}

TEST(Reader, AnEnvelopeWithoutEndIsAnErrorInBoundedMemory) {
  class Endless : public Input {
   public:
    explicit Endless(std::string start) : start_(std::move(start)) {}
    std::int64_t read_at(std::uint64_t offset, char* buffer, std::size_t size) override {
      if (offset < start_.size()) {
        return static_cast<std::int64_t>(
            start_.copy(buffer, size, static_cast<std::size_t>(offset)));
      }
      std::fill_n(buffer, size, '1');
      return static_cast<std::int64_t>(size);
    }

   private:
    std::string start_;
  };
  for (const char* start : {"{\"a\":\"", "{\"", "{\"a\":[\""}) {
    Endless input(start);
    const auto mail = Reader(input).open();
    ASSERT_FALSE(mail);
    EXPECT_NE(mail.error().find("too large"), std::string::npos) << mail.error();
  }
  Endless number("{\"a\":1");
  EXPECT_FALSE(Reader(number).open());
}

TEST(Reader, ReadErrorsAreReported) {
  TextInput input(kLsmtpdsOwn, 10);
  input.fail_at = 50;
  const auto mail = Reader(input).open();
  ASSERT_FALSE(mail);
  EXPECT_NE(mail.error().find("cannot read"), std::string::npos) << mail.error();

  TextInput later(kLsmtpdsOwn);
  Reader reader(later);
  ASSERT_TRUE(reader.open());
  later.fail_at = 0;
  EXPECT_FALSE(reader.content([](std::string_view) { return true; }));
}

TEST(Reader, StopsWhenTheSinkSaysSo) {
  TextInput input(kLsmtpdsOwn);
  Reader reader(input);
  ASSERT_TRUE(reader.open());
  EXPECT_FALSE(reader.content([](std::string_view) { return false; }));
}

}  // namespace
}  // namespace lsmtpd::mail_json::testing
