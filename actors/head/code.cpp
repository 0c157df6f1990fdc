#include "actors/head/code.hpp"

namespace troupe::actors {

code_actor::behavior_type code_behavior(code_actor::pointer, HeadContextRef context) {
  return {
      [context](store_atom, const BlobRef& blob) -> caf::result<bool> {
        if (auto stored = context->code->blobs().put(blob->first, blob->second); !stored)
          return to_caf(stored.error());
        return true;
      },
      [context](manifest_atom, const TextRef& text) -> caf::result<std::string> {
        auto digest = context->code->put_manifest(*text);
        if (!digest) return to_caf(digest.error());
        return std::move(*digest);
      },
  };
}

}  // namespace troupe::actors
