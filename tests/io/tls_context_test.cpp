// SPDX-License-Identifier: Apache-2.0
// Certificates from their files: all or nothing, chosen by name and type of key.
#include "io/tls_context.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "io/tls_certificates.hpp"
#include "tls_peer.hpp"

namespace lsmtpd::io {
namespace {

using test::CertificateWish;
using test::make_certificate;
using testing::ElementsAre;
using testing::HasSubstr;

class TlsContextTest : public testing::Test {
 protected:
  std::string error_of(const TlsSettings& settings) {
    const auto loaded = TlsContext::load(settings);
    return loaded ? "none" : loaded.error().message;
  }
  std::string write(const char* name, const std::string& text) {
    const std::string path = (folder_ / name).string();
    std::ofstream(path) << text;
    return path;
  }
  // The subject that a client with these wishes is shown.
  std::string shown(const TlsContext& context, const test::PeerSettings& wishes) {
    test::TlsPeer peer(wishes);
    openssl::Session server(SSL_new(context.default_context()));
    SSL_set_bio(server.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(server.get());
    for (int i = 0; i < 4 && !peer.failed; ++i) {
      const std::string up = peer.give();
      if (!up.empty())
        BIO_write(SSL_get_rbio(server.get()), up.data(), static_cast<int>(up.size()));
      ERR_clear_error();
      SSL_do_handshake(server.get());
      char* data = nullptr;
      const long size = BIO_get_mem_data(SSL_get_wbio(server.get()), &data);
      const std::string down(data, static_cast<size_t>(size));
      (void)BIO_reset(SSL_get_wbio(server.get()));
      peer.take(down);
    }
    return peer.done() ? peer.server_subject() : "no handshake";
  }

  test::TemporaryFolder folder_;
};

TEST_F(TlsContextTest, AMistakeNamesItsFile) {
  const TlsFiles good = make_certificate(folder_, "good"),
                 other = make_certificate(folder_, "other");
  const std::string text = write("text.pem", "hello\n");
  EXPECT_EQ(error_of({.certificates = {good}}), "none");
  EXPECT_EQ(error_of({.certificates = {}}), "there is no certificate");
  EXPECT_EQ(error_of({.certificates = {good, {"/no/such.pem", good.key}}}),
            "cannot open /no/such.pem: No such file or directory");
  EXPECT_EQ(error_of({.certificates = {{text, good.key}}}),
            text + " has no certificate in PEM form");
  EXPECT_EQ(error_of({.certificates = {{good.certificate, text}}}),
            text + " has no private key in PEM form");
  EXPECT_EQ(error_of({.certificates = {{good.certificate, other.key}}}),
            "the key " + other.key + " does not belong to the certificate " + good.certificate);
  EXPECT_THAT(error_of({.certificates = {good}, .client_ca = text}),
              HasSubstr("tls.client_ca: " + text));
  for (const auto& settings : {TlsSettings{.certificates = {good}, .ciphers = "x"},
                               TlsSettings{.certificates = {good}, .ciphersuites = "x"},
                               TlsSettings{.certificates = {good}, .groups = "x"}})
    EXPECT_THAT(error_of(settings), HasSubstr("has nothing that OpenSSL can use"));
  EXPECT_EQ(ERR_peek_error(), 0u) << "a stale error would break the next session";
}

TEST_F(TlsContextTest, AFileThatIsBrokenBehindItsFirstCertificateIsAMistake) {
  const TlsFiles good = make_certificate(folder_, "good");
  std::ofstream(good.certificate, std::ios::app)
      << "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_THAT(error_of({.certificates = {good}}), HasSubstr(" has a broken certificate: "));
}

TEST_F(TlsContextTest, FactsOfACertificateAreKept) {
  const TlsFiles ec =
      make_certificate(folder_, "ec", {.names = {"MX.example.org", "*.example.net"}});
  const TlsFiles rsa =
      make_certificate(folder_, "rsa", {.names = {}, .rsa = true, .days = -1}, &ec);
  const auto context = TlsContext::load({.certificates = {ec, rsa}});
  ASSERT_TRUE(context) << context.error().message;
  const auto& all = (*context)->certificates();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].file, ec.certificate);
  EXPECT_EQ(all[0].subject, "CN=ec");
  EXPECT_THAT(all[0].names, ElementsAre("mx.example.org", "*.example.net"));
  EXPECT_EQ(all[0].key_type, "EC");
  EXPECT_TRUE(all[0].self_signed);
  EXPECT_EQ(all[0].tlsa.size(), 64u);
  EXPECT_EQ(all[1].key_type, "RSA");
  EXPECT_THAT(all[1].names, ElementsAre("rsa")) << "the common name, without alternatives";
  EXPECT_FALSE(all[1].self_signed);
  EXPECT_LT(all[1].not_after, time(nullptr)) << "an expired one is loaded: check warns of it";
  EXPECT_NE(all[0].tlsa, all[1].tlsa);
}

TEST_F(TlsContextTest, AWildcardStandsForOneLabel) {
  CertificateInfo info;
  info.names = {"*.example.org", "mx.example.net"};
  for (const char* host : {"a.example.org", "A.Example.Org.", "mx.example.net"})
    EXPECT_TRUE(info.names_host(host)) << host;
  for (const char* host : {"example.org", "a.b.example.org", "example.net", "", "."})
    EXPECT_FALSE(info.names_host(host)) << host;
}

TEST_F(TlsContextTest, AClientGetsTheCertificateOfTheNameThatItWants) {
  const auto context = TlsContext::load(
      {.certificates = {make_certificate(folder_, "first", {.names = {"a.test"}}),
                        make_certificate(folder_, "second", {.names = {"b.test"}}),
                        make_certificate(folder_, "wild", {.names = {"*.test"}})}});
  ASSERT_TRUE(context);
  for (const auto& [name, subject] :
       std::initializer_list<std::pair<const char*, const char*>>{{"a.test", "CN=first"},
                                                                  {"B.TEST", "CN=second"},
                                                                  {"c.test", "CN=wild"},
                                                                  {"", "CN=first"},
                                                                  {"192.0.2.1", "CN=first"},
                                                                  {"test", "CN=first"},
                                                                  {"other.example", "CN=first"}}) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION})
      EXPECT_EQ(shown(**context, {.version = version, .server_name = name}), subject) << name;
  }
}

TEST_F(TlsContextTest, AClientGetsTheTypeOfKeyThatItKnows) {
  const auto context = TlsContext::load(
      {.certificates = {make_certificate(folder_, "ec", {.names = {"a.test"}}),
                        make_certificate(folder_, "rsa", {.names = {"a.test"}, .rsa = true})}});
  ASSERT_TRUE(context);
  EXPECT_EQ(shown(**context, {.algorithms = "RSA-PSS+SHA256"}), "CN=rsa");
  EXPECT_EQ(shown(**context, {.algorithms = "ECDSA+SHA256"}), "CN=ec");
  EXPECT_EQ(shown(**context, {.server_name = "a.test", .algorithms = "RSA-PSS+SHA256"}), "CN=rsa");
  EXPECT_EQ(shown(**context, {.version = TLS1_2_VERSION, .ciphers = "ECDHE-RSA-AES128-GCM-SHA256"}),
            "CN=rsa");
}

TEST_F(TlsContextTest, VersionsAndCiphersAreThoseOfTheSettings) {
  const TlsFiles files = make_certificate(folder_, "mx");
  const auto only_1_3 = TlsContext::load({.certificates = {files}, .only_1_3 = true});
  EXPECT_EQ(shown(**only_1_3, {.version = TLS1_2_VERSION}), "no handshake");
  EXPECT_EQ(shown(**only_1_3, {}), "CN=mx");
  const auto few =
      TlsContext::load({.certificates = {files}, .ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"});
  EXPECT_EQ(shown(**few, {.version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"}),
            "no handshake");
  EXPECT_EQ(shown(**few, {.version = TLS1_2_VERSION}), "CN=mx");
}

TEST_F(TlsContextTest, ChangedFilesAreReadAllOrNothing) {
  const TlsFiles files = make_certificate(folder_, "mx");
  TlsCertificates certificates;
  ASSERT_TRUE(certificates.load({.certificates = {files}}));
  const auto before = certificates.current();
  EXPECT_FALSE(certificates.look().value());
  const TlsFiles other = make_certificate(folder_, "other");
  std::filesystem::rename(other.certificate, files.certificate);  // its key is still the old one
  EXPECT_THAT(certificates.look().error().message, HasSubstr("does not belong"));
  EXPECT_EQ(certificates.current(), before);
  EXPECT_FALSE(certificates.look().value()) << "the same mistake is told once";
  std::filesystem::rename(other.key, files.key);
  EXPECT_TRUE(certificates.look().value());
  EXPECT_EQ(certificates.current()->certificates()[0].subject, "CN=other");
}

}  // namespace
}  // namespace lsmtpd::io
