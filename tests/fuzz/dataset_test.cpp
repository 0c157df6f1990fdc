// What describes datasets and may come from anybody: manifests.
#include "mutator.hpp"
#include "storage/dataset/manifest.hpp"
#include "storage/dataset/packer.hpp"

#include <gtest/gtest.h>

namespace troupe::fuzz {
namespace {

class NoBlocks final : public dataset::BlockSink {
 public:
  Result<void> put(const dataset::ContentId&, std::string_view) override { return ok(); }
};

std::string manifest_with(uint8_t block_log2, size_t files) {
  NoBlocks sink;
  dataset::Packer packer{{.block_log2 = block_log2, .former = nullptr}, sink};
  for (size_t i = 0; i < files; ++i) {
    EXPECT_TRUE(packer.begin_file("folder/" + std::to_string(i), i % 2 == 0));
    EXPECT_TRUE(packer.write(std::string(i * 3000, static_cast<char>('a' + i))));
    EXPECT_TRUE(packer.end_file(dataset::TableDraft{0, i, 1 + i % 3, {}, true, "{}"}));
  }
  return manifest_bytes(*packer.finish());
}

TEST(FuzzDataset, Manifest) {
  using namespace std::string_literals;
  Corpus corpus{
      {manifest_with(0, 0), manifest_with(0, 2), manifest_with(1, 4)},
      {std::string(4, '\xff'), std::string(8, '\xff'), std::string(8, '\x7f'), std::string(8, '\0'),
       "\1\0\0\0"s, "\0\x10\0\0\0\0\0\0"s, "../", "/", "\n", "TRPDATA1"},
      32u << 10};
  for_mutations(corpus, 100'000, [](const std::string& input, Mutator&) {
    auto manifest = dataset::parse_manifest(input);
    if (!manifest) return expect_good_error(manifest.error());
    EXPECT_EQ(manifest_bytes(*manifest), input) << "two spellings of one manifest";
  });
}

}  // namespace
}  // namespace troupe::fuzz
