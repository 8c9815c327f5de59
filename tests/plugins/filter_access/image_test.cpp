// SPDX-License-Identifier: Apache-2.0
#include "image.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "image_builder.hpp"
#include "pattern.hpp"

namespace lsmtpd::access {
namespace {

class ImageOf {
 public:
  // "192.0.2.0/24=value"
  explicit ImageOf(std::initializer_list<const char*> entries) {
    ImageBuilder builder;
    for (const std::string_view entry : entries) {
      const size_t equals = entry.find('=');
      std::string problem;
      const auto pattern = parse_pattern(entry.substr(0, equals), problem);
      EXPECT_TRUE(pattern) << problem;
      EXPECT_EQ(builder.add(*pattern, equals == entry.npos ? "" : entry.substr(equals + 1)), "");
    }
    finish(builder);
  }
  explicit ImageOf(ImageBuilder& builder) { finish(builder); }

  std::string ip(const char* text) const { return shown(image.find(*mail_names::parse_ip(text))); }
  std::string address(const char* local, const char* domain) const {
    return shown(find_address(image, local, domain, false));
  }
  std::string name(const char* text) const { return shown(find_name(image, text)); }

  std::string bytes;
  Image image;

 private:
  void finish(ImageBuilder& builder) {
    std::string error;
    bytes = builder.finish(error);
    EXPECT_EQ(error, "");
    EXPECT_EQ(image.open(bytes), "");
  }
  std::string shown(std::optional<uint16_t> number) const {
    return number ? "found " + std::string(image.value(*number)) : "none";
  }
};

TEST(Image, SmallestNetworkAroundAnAddressCounts) {
  const ImageOf list({"10.0.0.0/8=a", "10.1.0.0/16=b", "10.1.2.3=c", "10.2.0.0/16=d"});
  EXPECT_EQ(list.ip("10.9.9.9"), "found a");
  EXPECT_EQ(list.ip("10.1.0.0"), "found b");
  EXPECT_EQ(list.ip("10.1.2.2"), "found b");
  EXPECT_EQ(list.ip("10.1.2.3"), "found c");
  EXPECT_EQ(list.ip("10.1.2.4"), "found b");
  EXPECT_EQ(list.ip("10.2.255.255"), "found d");
  EXPECT_EQ(list.ip("10.3.0.0"), "found a");
  EXPECT_EQ(list.ip("11.0.0.0"), "none");
  EXPECT_EQ(list.ip("9.255.255.255"), "none");
}

TEST(Image, NetworksAtTheEndsOfTheAddressesHaveNoNeighbours) {
  const ImageOf list({"0.0.0.0=first", "255.255.255.255=last", "::=six",
                      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff=end"});
  EXPECT_EQ(list.ip("0.0.0.0"), "found first");
  EXPECT_EQ(list.ip("0.0.0.1"), "none");
  EXPECT_EQ(list.ip("255.255.255.254"), "none");
  EXPECT_EQ(list.ip("255.255.255.255"), "found last");
  EXPECT_EQ(list.ip("::"), "found six");
  EXPECT_EQ(list.ip("::1"), "none");
  EXPECT_EQ(list.ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "found end");
}

TEST(Image, EverythingOfOneFamilyIsNothingOfTheOther) {
  const ImageOf six({"::/0=six"});
  EXPECT_EQ(six.ip("192.0.2.1"), "none");
  EXPECT_EQ(six.ip("2001:db8::1"), "found six");
  const ImageOf four({"0.0.0.0/0=four"});
  EXPECT_EQ(four.ip("192.0.2.1"), "found four");
  EXPECT_EQ(four.ip("2001:db8::1"), "none");
}

TEST(Image, IPv6PrefixesOfAnyLengthAreRight) {
  const ImageOf list({"2001:db8::/32=a", "2001:db8:1::/48=b", "2001:db8:1:0:8000::/65=c"});
  EXPECT_EQ(list.ip("2001:db8:0:ffff::1"), "found a");
  EXPECT_EQ(list.ip("2001:db8:1:0:7fff:ffff:ffff:ffff"), "found b");
  EXPECT_EQ(list.ip("2001:db8:1:0:ffff:ffff:ffff:ffff"), "found c");
  EXPECT_EQ(list.ip("2001:db8:1:1::"), "found b");
  EXPECT_EQ(list.ip("2001:db9::"), "none");
}

TEST(Image, RandomNetworksAreFoundAsASearchThroughAllOfThemFinds) {
  std::mt19937 random(14);
  ImageBuilder builder;
  std::vector<std::pair<mail_names::Network, std::string>> all;
  for (int i = 0; i < 400; ++i) {
    mail_names::Ip ip;
    ip.bytes[0] = 10;  // few bits, so that they lie within one another
    ip.bytes[1] = static_cast<uint8_t>(random() % 4);
    ip.bytes[2] = static_cast<uint8_t>(random());
    const auto prefix = static_cast<unsigned>(8 + random() % 25);
    Pattern pattern;
    pattern.kind = Pattern::Kind::network;
    pattern.network = {ip.network(prefix), prefix};
    const std::string value = "accept" + std::string(i % 7, ' ');
    ASSERT_EQ(builder.add(pattern, value), "");
    all.emplace_back(pattern.network, value);
  }
  const ImageOf list(builder);
  for (int i = 0; i < 4000; ++i) {
    mail_names::Ip ip;
    ip.bytes = {10, static_cast<uint8_t>(random() % 5), static_cast<uint8_t>(random()),
                static_cast<uint8_t>(random() % 2)};
    const std::pair<mail_names::Network, std::string>* best = nullptr;
    for (const auto& each : all)
      if (ip.network(each.first.prefix) == each.first.address &&
          (best == nullptr || each.first.prefix > best->first.prefix))
        best = &each;
    const auto found = list.image.find(ip);
    ASSERT_EQ(found.has_value(), best != nullptr) << ip.text();
    if (best != nullptr) {
      ASSERT_EQ(list.image.value(*found), best->second) << ip.text();
    }
  }
}

TEST(Image, MostPreciseEntryOfAnAddressCounts) {
  const ImageOf list({"joe@example.org=1", "example.org=2", "*@*.example.org=3", "*.org=4",
                      "joe@*=5", "*=6", "<>=7"});
  EXPECT_EQ(list.address("joe", "example.org"), "found 1");
  EXPECT_EQ(list.address("ann", "example.org"), "found 2");
  EXPECT_EQ(list.address("joe", "a.b.example.org"), "found 3");
  EXPECT_EQ(list.address("joe", "other.org"), "found 4");
  EXPECT_EQ(list.address("joe", "example.com"), "found 5");
  EXPECT_EQ(list.address("ann", "example.com"), "found 6");
  EXPECT_EQ(list.address("joe", ""), "found 5");
  EXPECT_EQ(find_address(list.image, "", "", true), std::optional<uint16_t>(7));
}

TEST(Image, WhatIsBelowADomainIsNotTheDomainNorAnotherNameWithItsEnd) {
  const ImageOf list({"*.example.org"});
  EXPECT_EQ(list.name("mx.example.org"), "found ");
  EXPECT_EQ(list.name("a.b.c.d.example.org"), "found ");
  EXPECT_EQ(list.name("example.org"), "none");
  EXPECT_EQ(list.name("badexample.org"), "none");
  EXPECT_EQ(list.name(".example.org"), "found ");
  EXPECT_EQ(list.name(""), "none");
  EXPECT_EQ(list.name("..."), "none");
}

TEST(Image, DomainAndAddressAreNotTakenForEachOther) {
  const ImageOf list({"joe@example.org"});
  EXPECT_EQ(list.name("joe@example.org"), "found ");  // the same key, but no host name has an @
  EXPECT_EQ(list.address("x", "joe@example.org"), "found ");
  const ImageOf other({"example.org"});
  EXPECT_EQ(other.address("example.org", ""), "none");
}

TEST(Image, FirstOfEqualEntriesCounts) {
  const ImageOf list({"192.0.2.0/24=a", "192.0.2.0/24=b", "x.example=c", "X.example=d"});
  EXPECT_EQ(list.ip("192.0.2.9"), "found a");
  EXPECT_EQ(list.name("x.example"), "found c");
}

TEST(Image, EmptyListHasNothing) {
  const ImageOf list({});
  EXPECT_EQ(list.ip("192.0.2.1"), "none");
  EXPECT_EQ(list.ip("::1"), "none");
  EXPECT_EQ(list.name("example.org"), "none");
}

TEST(Image, ManyNamesAreAllFoundAndNoOthers) {
  ImageBuilder builder;
  std::string problem;
  for (int i = 0; i < 20000; ++i)
    ASSERT_EQ(builder.add(*parse_pattern("d" + std::to_string(i) + ".example", problem), ""), "");
  const ImageOf list(builder);
  for (int i = 0; i < 20000; ++i) {
    ASSERT_EQ(list.name(("d" + std::to_string(i) + ".example").c_str()), "found ");
    ASSERT_EQ(list.name(("e" + std::to_string(i) + ".example").c_str()), "none");
  }
}

TEST(Image, CutOrForeignBytesAreRefusedWithTheReason) {
  const ImageOf list({"192.0.2.0/24", "example.org=reject"});
  Image image;
  for (size_t size = 0; size < list.bytes.size(); ++size)
    ASSERT_NE(image.open(std::string_view(list.bytes).substr(0, size)), "") << size;
  const auto with = [&](auto member, auto value) {
    std::string bytes = list.bytes;
    ImageHeader header{};
    std::memcpy(&header, bytes.data(), sizeof header);
    header.*member = value;
    std::memcpy(bytes.data(), &header, sizeof header);
    return image.open(bytes);
  };
  EXPECT_NE(with(&ImageHeader::version, 2u).find("version 2"), std::string::npos);
  EXPECT_NE(with(&ImageHeader::order, 0x04030201u).find("byte order"), std::string::npos);
  for (auto member :
       {&ImageHeader::v4_at, &ImageHeader::v6_at, &ImageHeader::slots_at, &ImageHeader::keys_at,
        &ImageHeader::offsets_at, &ImageHeader::values_at, &ImageHeader::v4_count,
        &ImageHeader::v6_count, &ImageHeader::slot_count, &ImageHeader::keys_size,
        &ImageHeader::value_count, &ImageHeader::values_size})
    EXPECT_NE(with(member, UINT64_MAX - 3), "");
  EXPECT_NE(with(&ImageHeader::slot_count, 3u), "");
}

}  // namespace
}  // namespace lsmtpd::access
