// SPDX-License-Identifier: Apache-2.0
// TLS to a broker: names, addresses, authorities, and what the log says of a certificate that is
// refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sink/tls.hpp>

#include "rig.hpp"

namespace lsmtpd::amqp::test {
namespace {

using testing::HasSubstr;
using testing::Not;

// A certificate that signed itself.
struct Certificate {
  std::string folder;
  std::string certificate;
  std::string key;

  // `names` as subjectAltName has them.
  explicit Certificate(const std::string& names) {
    char pattern[] = "/tmp/lsmtpd-amqp-test-XXXXXX";
    folder = ::mkdtemp(pattern);
    certificate = folder + "/cert.pem";
    key = folder + "/key.pem";
    const std::string command =
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext "
        "subjectAltName=" +
        names + " -keyout " + key + " -out " + certificate + " 2>/dev/null";
    if (std::system(command.c_str()) != 0) std::abort();
  }
  // Signs it again, for a day that is over.
  void expire() {
    const auto opened = [](const std::string& path, const char* mode) {
      return std::unique_ptr<std::FILE, int (*)(std::FILE*)>(std::fopen(path.c_str(), mode),
                                                             std::fclose);
    };
    X509* x509 = PEM_read_X509(opened(certificate, "r").get(), nullptr, nullptr, nullptr);
    EVP_PKEY* own = PEM_read_PrivateKey(opened(key, "r").get(), nullptr, nullptr, nullptr);
    X509_gmtime_adj(X509_getm_notBefore(x509), -2L * 24 * 3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), -1L * 24 * 3600);
    if (X509_sign(x509, own, EVP_sha256()) == 0) std::abort();
    PEM_write_X509(opened(certificate, "w").get(), x509);
    EVP_PKEY_free(own);
    X509_free(x509);
  }
  ~Certificate() { std::filesystem::remove_all(folder); }
};

// Made once for each list of names.
const Certificate& certificate(const char* names = "DNS:localhost") {
  static std::map<std::string, std::unique_ptr<Certificate>> made;
  auto& entry = made[names];
  if (!entry) entry = std::make_unique<Certificate>(names);
  return *entry;
}

Script with_tls(const Certificate& own = certificate()) {
  Script script;
  script.certificate = own.certificate;
  script.key = own.key;
  return script;
}

std::string tls_url(const Peer& peer, const char* host = "localhost") {
  return std::string("amqps://") + host + ":" + std::to_string(peer.port());
}

std::string probe(Rig& rig, std::uint32_t expected) {
  if (rig.start() != 0) return "not started: " + rig.errors();
  const lsmtpd_test_verdict* verdict = lsmtpd_test_probe(rig.raw());
  EXPECT_EQ(verdict->kind, expected);
  return lsmtpd_test_steps(rig.raw());
}

TEST(Tls, CarriesMailWhereNameAndAuthorityAreRight) {
  Peer peer(with_tls());
  Rig rig;
  rig.option("urls", tls_url(peer))
      .option("address", "mail")
      .option("tls_ca", certificate().certificate);
  rig.option("format", "rfc822");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] { return Rig::contains(rig.log(), "attached to the target"); }))
      << rig.log();
  const std::string content(2000000, 'x');
  EXPECT_EQ(rig.deliver(rig.mail(content)).kind, LSMTPD_STORED);
  EXPECT_TRUE(body_of(peer.messages().at(0)) == content);
}

TEST(Tls, AWrongNameEndsTheAttempt) {
  Peer peer(with_tls());
  Rig rig;
  rig.option("urls", tls_url(peer))
      .option("address", "mail")
      .option("tls_ca", certificate().certificate);
  rig.option("tls_name", "another.example");
  const std::string steps = probe(rig, LSMTPD_TEMPFAIL);
  EXPECT_THAT(steps, HasSubstr("tls 12 ")) << steps;
  EXPECT_TRUE(peer.attached().empty());
}

TEST(Tls, AnUnknownAuthorityEndsTheAttempt) {
  Peer peer(with_tls());
  Rig rig;
  rig.option("urls", tls_url(peer)).option("address", "mail");
  EXPECT_THAT(probe(rig, LSMTPD_TEMPFAIL), HasSubstr("tls 12 "));
}

TEST(Tls, VerifyNoneTakesAnybodyAndSaysSo) {
  Peer peer(with_tls());
  Rig rig;
  rig.option("urls", tls_url(peer)).option("address", "mail").option("tls_verify", "none");
  ASSERT_EQ(rig.start(), 0);
  EXPECT_THAT(lsmtpd_test_warnings(rig.raw()), HasSubstr("tls_verify"));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Tls, AClearTextPeerIsNamedAsATlsFailure) {
  Peer peer({});
  Rig rig;
  rig.option("urls", tls_url(peer)).option("address", "mail").option("tls_verify", "none");
  EXPECT_THAT(probe(rig, LSMTPD_TEMPFAIL), HasSubstr("tls 12 "));
}

// Files that are missing before the start are an error of the options (credential_files_test.cpp).
TEST(Tls, AFileThatIsGoneAfterTheStartIsNamed) {
  Peer peer(with_tls());
  Rig rig;
  const std::string file = certificate().folder + "/gone.pem";
  std::filesystem::copy_file(certificate().certificate, file);
  rig.option("urls", tls_url(peer)).option("address", "mail").option("tls_ca", file);
  ASSERT_EQ(rig.start(), 0) << rig.errors();
  std::filesystem::remove(file);
  EXPECT_EQ(lsmtpd_test_probe(rig.raw())->kind, static_cast<std::uint32_t>(LSMTPD_TEMPFAIL));
  EXPECT_THAT(lsmtpd_test_steps(rig.raw()), HasSubstr("`tls_ca` cannot be read"));
}

TEST(Tls, AnIpAddressInTheCertificateIsChecked) {
  const Certificate& own = certificate("IP:127.0.0.1");
  Peer peer(with_tls(own));
  {
    Rig rig;
    rig.option("urls", tls_url(peer, "127.0.0.1")).option("address", "mail");
    rig.option("tls_ca", own.certificate);
    EXPECT_THAT(probe(rig, LSMTPD_CONTINUE), HasSubstr("tls 0 TLSv1.3"));
  }
  const Certificate& other = certificate("IP:127.0.0.9");
  Peer wrong(with_tls(other));
  Rig rig;
  rig.option("urls", tls_url(wrong, "127.0.0.1")).option("address", "mail");
  rig.option("tls_ca", other.certificate);
  EXPECT_THAT(probe(rig, LSMTPD_TEMPFAIL),
              HasSubstr("for another name, see `tls_name` (127.0.0.1 was expected)"));
}

TEST(Tls, TheNameOfTheCertificateCanBeGivenForAnAddress) {
  Peer peer(with_tls());
  Rig rig;
  rig.option("urls", tls_url(peer, "127.0.0.1")).option("address", "mail");
  rig.option("tls_ca", certificate().certificate).option("tls_name", "localhost");
  EXPECT_THAT(probe(rig, LSMTPD_CONTINUE), HasSubstr("tls 0 "));
}

TEST(Tls, FinalDotOfANameIsIgnored) {
  const Certificate& own = certificate("DNS:broker.example");
  Peer peer(with_tls(own));
  Rig rig;
  rig.raw()->addresses = "127.0.0.1";
  rig.option("urls", tls_url(peer, "broker.example.")).option("address", "mail");
  rig.option("tls_ca", own.certificate);
  EXPECT_THAT(probe(rig, LSMTPD_CONTINUE), HasSubstr("tls 0 "));
}

std::string hello_to(const char* host) {
  Script script;
  script.raw = {"no TLS"};
  Peer peer(script);
  Rig rig;
  rig.raw()->addresses = "127.0.0.1";
  rig.option("urls", tls_url(peer, host)).option("address", "mail");
  (void)probe(rig, LSMTPD_TEMPFAIL);
  return peer.raw_received().empty() ? std::string() : peer.raw_received().front();
}

TEST(Tls, ANameIsSentAsSniAndAnAddressIsNot) {
  EXPECT_THAT(hello_to("broker.example."), HasSubstr("broker.example"));
  const std::string hello = hello_to("127.0.0.1");
  EXPECT_GT(hello.size(), 100U);
  EXPECT_THAT(hello, Not(HasSubstr("127.0.0.1")));
}

TEST(Tls, TheLogTellsWhyACertificateIsRefused) {
  Certificate expired("DNS:localhost");
  expired.expire();
  const struct {
    const Certificate& own;
    const Certificate& trusted;
    const char* expected;
  } rows[] = {
      {certificate(), certificate("DNS:other"), "issuer of the certificate is not trusted"},
      {certificate("DNS:other"), certificate("DNS:other"), "for another name"},
      {expired, expired, "has expired"},
  };
  for (const auto& row : rows) {
    Peer peer(with_tls(row.own));
    Rig rig;
    rig.option("urls", tls_url(peer)).option("address", "mail");
    rig.option("tls_ca", row.trusted.certificate);
    const std::string steps = probe(rig, LSMTPD_TEMPFAIL);
    EXPECT_THAT(steps, HasSubstr("tls 12 "));
    EXPECT_THAT(steps, HasSubstr(row.expected));
    EXPECT_THAT(steps, HasSubstr("(localhost was expected)"));
  }
}

// With TLS 1.3 the broker says so after the handshake.
TEST(Tls, AClientCertificateThatIsMissingOrUnknownIsATlsFailure) {
  Script script = with_tls();
  script.client_ca = certificate().certificate;
  for (const Certificate* own :
       {static_cast<const Certificate*>(nullptr), &certificate("DNS:other"), &certificate()}) {
    Peer peer(script);
    Rig rig;
    rig.option("urls", tls_url(peer)).option("address", "mail");
    rig.option("tls_ca", certificate().certificate).option("sasl", "ANONYMOUS");
    if (own != nullptr) rig.option("tls_certificate", own->certificate).option("tls_key", own->key);
    const bool known = own == &certificate();
    EXPECT_THAT(probe(rig, known ? LSMTPD_CONTINUE : LSMTPD_TEMPFAIL),
                HasSubstr(known ? "tls 0 " : "tls 12 "));
  }
}

TEST(Tls, AnyNameIsTakenWhereOnlyTheAuthorityIsChecked) {
  const Certificate& own = certificate("DNS:other");
  Peer peer(with_tls(own));
  Rig rig;
  rig.option("urls", tls_url(peer)).option("address", "mail");
  rig.option("tls_ca", own.certificate).option("tls_verify", "certificate");
  EXPECT_THAT(probe(rig, LSMTPD_CONTINUE), HasSubstr("tls 0 "));
}

// A broker's side without a socket.
class Server {
 public:
  Server() {
    SSL_CTX_use_certificate_file(context_.get(), certificate().certificate.c_str(),
                                 SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(context_.get(), certificate().key.c_str(), SSL_FILETYPE_PEM);
    session_.reset(SSL_new(context_.get()));
    SSL_set_bio(session_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(session_.get());
  }
  void take(sink::Tls& client) {
    const std::string_view bytes = client.pending();
    BIO_write(SSL_get_rbio(session_.get()), bytes.data(), static_cast<int>(bytes.size()));
    client.sent(bytes.size());
    go_on();
  }
  void go_on() { SSL_do_handshake(session_.get()); }
  void ask_for_new_keys() {
    SSL_key_update(session_.get(), SSL_KEY_UPDATE_REQUESTED);
    go_on();
  }
  std::string sent() {
    std::string bytes(BIO_ctrl_pending(SSL_get_wbio(session_.get())), '\0');
    BIO_read(SSL_get_wbio(session_.get()), bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }

 private:
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_{SSL_CTX_new(TLS_server_method()),
                                                        SSL_CTX_free};
  std::unique_ptr<SSL, void (*)(SSL*)> session_{nullptr, SSL_free};
};

TEST(Tls, ABrokerThatAsksForNewKeysAndDoesNotReadIsLeft) {
  sink::TlsOptions options;
  options.verify = sink::Verify::none;
  const auto client = sink::Tls::make(options, "localhost");
  ASSERT_TRUE(client);
  sink::Tls& tls = **client;
  Server server;
  tls.advance();
  for (int i = 0; i < 4 && !tls.established(); ++i) {
    server.take(tls);
    tls.feed(server.sent());
  }
  ASSERT_TRUE(tls.established()) << tls.error();
  server.take(tls);
  char clear[64];
  for (int i = 0; i < 20'000 && tls.error().empty(); ++i) {
    server.ask_for_new_keys();
    tls.feed(server.sent());
    tls.read(clear, sizeof clear);
  }
  EXPECT_THAT(tls.error(), HasSubstr("does not read them"));
  EXPECT_LT(tls.pending().size(), 100'000U);
}

}  // namespace
}  // namespace lsmtpd::amqp::test
