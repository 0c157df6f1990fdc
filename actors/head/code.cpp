#include "actors/head/code.hpp"

#include "runtime/core/limits.hpp"

#include <algorithm>

namespace troupe::actors {

code_actor::behavior_type code_behavior(code_actor::pointer, HeadContextRef context) {
  return {
      [context](store_atom, const BlobRef& blob) -> caf::result<bool> {
        if (auto stored = context->code->put_blob(blob->first, blob->second); !stored)
          return to_caf(stored.error());
        return true;
      },
      [context](manifest_atom, const TextRef& text) -> caf::result<std::string> {
        auto digest = context->code->put_manifest(*text);
        if (!digest) return to_caf(digest.error());
        return std::move(*digest);
      },
      [context](manifest_atom, const std::string& digest, uint64_t offset,
                uint32_t limit) -> caf::result<FilePiece> {
        auto text = context->code->manifest(digest);
        if (!text) return to_caf(text.error());
        auto from = std::min<uint64_t>(offset, text->size());
        auto count = std::min<uint64_t>(limit, limits::chunk_bytes);
        return FilePiece{text->substr(from, count), text->size()};
      },
      [context](blob_atom, const std::string& digest, uint64_t offset,
                uint32_t limit) -> caf::result<FilePiece> {
        auto count = std::min<uint32_t>(limit, limits::chunk_bytes);
        auto chunk = context->code->read_blob(digest, offset, count);
        if (!chunk) return to_caf(chunk.error());
        return FilePiece{std::move(chunk->bytes), chunk->size};
      },
  };
}

}  // namespace troupe::actors
