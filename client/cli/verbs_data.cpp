// Commands about datasets.
#include "client/cli/commands.hpp"
#include "client/cli/verb_tables.hpp"

#include <array>

namespace troupe::cli {

namespace {

constexpr std::array data_push_options{
    Option{"tag", 0, "TAG", "a name that shall stand for this version"},
    Option{"header", 0, "HOW", "whether the first row of CSV files is names: auto, yes, no"},
    Option{"no-records", 0, "", "files alone: look for no records"},
    Option{"unpack", 0, "", "stores X.gz as X"},
    Option{"from", 0, "ID/out", "the outputs of an experiment, in place of PATH", Kind::id},
};

constexpr std::array data_tag_options{
    Option{"remove", 0, "", "takes the tag away"},
};

constexpr std::array data_warm_options{
    Option{"nodes", 0, "A,B,...", "these nodes (default: all that are up)"},
    Option{"detach", 'd', "", "does not wait until they have it"},
};

constexpr std::array data_fsck_options{
    Option{"repair", 0, "", "fetches again what some node still has, moves the rest aside"},
    Option{"nodes", 0, "",
           "nodes hash the versions they keep, too; damaged ones are fetched again"},
};

constexpr std::array data_gc_options{
    Option{"dry-run", 0, "", "says what would go and why, and removes nothing"},
    Option{"older-than", 0, "AGE", "of what no version names (default: 24h)"},
};

constexpr std::array data_du_options{
    Option{"head-only", 0, "", "does not ask the nodes"},
};

constexpr const char* gc_text =
    "Outputs of experiments go by the rules in `retention` of head.yaml, copies of outputs on the\n"
    "head where nothing needs them there, and blocks, manifests and code that nothing names: of\n"
    "these what is older than a day, as it may be part of a push that has not ended. The head "
    "does\n"
    "the same by itself every hour.";

}  // namespace

std::vector<Verb> data_verbs() {
  return {
      {.name = "data push",
       .group = "DATA",
       .arguments = "NAME [PATH]",
       .summary = "makes the next version of a dataset from a folder, an archive or a file",
       .text =
           "PATH may also be an http, https or s3 address (s3://BUCKET/PREFIX/ is all below it).\n"
           "Only what the head lacks is sent; a push that broke off goes on where it ended.\n"
           "CSV, JSONL and IDX files become records beside being files.",
       .examples = {"troupe data push digits ./digits", "troupe data push mnist mnist.tar.gz",
                    "troupe data push prices prices.csv --tag clean",
                    "troupe data push corpus s3://bucket/corpus/",
                    "troupe data push features --from 42/out"},
       .options = {data_push_options},
       .arguments_min = 1,
       .arguments_max = 2,
       .kind = Kind::file,
       .run = data_push_verb},
      {.name = "data ls",
       .group = "DATA",
       .summary = "datasets, the newest version of each",
       .examples = {"troupe data ls"},
       .run = data_ls_verb},
      {.name = "data show",
       .group = "DATA",
       .arguments = "NAME[:V]",
       .summary = "everything known about a version",
       .examples = {"troupe data show digits", "troupe data show digits:3"},
       .arguments_min = 1,
       .arguments_max = 1,
       .run = data_show_verb},
      {.name = "data get",
       .group = "DATA",
       .arguments = "NAME[:V] DIR",
       .summary = "writes the files of a version to a folder",
       .examples = {"troupe data get digits:3 /tmp/digits"},
       .arguments_min = 2,
       .arguments_max = 2,
       .kind = Kind::folder,
       .run = data_get_verb},
      {.name = "data head",
       .group = "DATA",
       .arguments = "NAME[:V]",
       .summary = "the first rows of its tables, or the first of its files",
       .examples = {"troupe data head prices"},
       .arguments_min = 1,
       .arguments_max = 1,
       .run = data_head_verb},
      {.name = "data diff",
       .group = "DATA",
       .arguments = "A B",
       .summary = "what was added, removed and changed between two versions",
       .examples = {"troupe data diff digits:2 digits:3"},
       .arguments_min = 2,
       .arguments_max = 2,
       .run = data_diff_verb},
      {.name = "data tag",
       .group = "DATA",
       .arguments = "NAME[:V] TAG",
       .summary = "lets a tag stand for a version",
       .examples = {"troupe data tag digits:3 clean", "troupe data tag digits clean --remove"},
       .options = {data_tag_options},
       .arguments_min = 2,
       .arguments_max = 2,
       .run = data_tag_verb},
      {.name = "data warm",
       .group = "DATA",
       .arguments = "NAME[:V]",
       .summary = "lets nodes fetch a version before any job there asks for it",
       .text = "It stays until something else needs its room: what the queue needs goes last.",
       .examples = {"troupe data warm digits", "troupe data warm digits:3 --nodes gpu1,gpu2 -d"},
       .options = {data_warm_options},
       .arguments_min = 1,
       .arguments_max = 1,
       .run = data_warm_verb},
      {.name = "data rm",
       .group = "DATA",
       .arguments = "NAME:V",
       .summary = "forgets a version that nothing uses",
       .examples = {"troupe data rm digits:1"},
       .arguments_min = 1,
       .arguments_max = 1,
       .run = data_rm_verb},
      {.name = "data du",
       .group = "DATA",
       .summary = "what takes how much on the disks of head and nodes",
       .text = "Of a version: its size, and what no other version has. Shared bytes count once.",
       .examples = {"troupe data du", "troupe data du -o json"},
       .options = {data_du_options},
       .run = data_du_verb},
      {.name = "data fsck",
       .group = "DATA",
       .summary = "reads and hashes all that is stored, and names what is damaged",
       .text = "Ends with 1 where something is wrong and was not mended.",
       .examples = {"troupe data fsck", "troupe data fsck --repair --nodes"},
       .options = {data_fsck_options},
       .run = data_fsck_verb},
      {.name = "data gc",
       .group = "DATA",
       .summary = "removes what nothing needs any more",
       .text = gc_text,
       .examples = {"troupe data gc --dry-run", "troupe data gc"},
       .options = {data_gc_options},
       .run = data_gc_verb},
      {.name = "gc",
       .group = "DATA",
       .summary = "the same as `troupe data gc`",
       .text = gc_text,
       .examples = {"troupe gc --dry-run"},
       .options = {data_gc_options},
       .run = data_gc_verb},
  };
}

}  // namespace troupe::cli
