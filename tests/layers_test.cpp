// SPDX-License-Identifier: Apache-2.0
// The house keeps its floors: who may include whom is written once, in kFolders below, and read from the
// #include lines of the tree. Also what every source file owes: a licence line, at most 600 lines, no path of
// one machine.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "support/temp_dir.h"

namespace {

namespace fs = std::filesystem;

// A file may include files of its own folder and of folders with a smaller (floor, step). Steps order the
// folders of one floor where one of them may know another. A folder inside a listed one belongs to it.
struct Folder {
  std::string_view path;
  int floor, step;
};
constexpr Folder kFolders[] = {
    {"rt/include", 0, 0},    {"rt/c", 0, 1},
    {"rt/simd", 0, 1},       {"rt/host", 0, 2},
    {"src/base", 1, 0},      {"src/sparse", 2, 0},
    {"src/io", 2, 0},        {"src/report", 2, 0},
    {"src/ledger", 2, 0},    {"src/formats", 3, 0},
    {"src/graph", 3, 0},     {"src/optim", 3, 0},
    {"src/kernels", 4, 0},   {"src/passes", 4, 0},
    {"src/dataset", 4, 0},   {"src/ops", 5, 0},
    {"src/exec", 5, 0},      {"src/models", 6, 0},
    {"src/onnx", 6, 0},      {"src/sparsify", 6, 0},
    {"src/structure", 6, 0}, {"src/pack", 6, 1},
    {"src/train", 7, 0},     {"src/emit", 7, 0},
    {"src/study", 8, 0},     {"include/coppice", 9, 0},
    {"cli", 9, 1},
};

// Where CMake tells the compilers to look.
constexpr std::string_view kIncludePaths[] = {"src",         "rt/include", "rt", "rt/simd",
                                              "src/kernels", "include",    "cli"};

const Folder* folder_of(const std::string& file) {
  for (const Folder& folder : kFolders)
    if (file.size() > folder.path.size() && file.starts_with(folder.path) && file[folder.path.size()] == '/')
      return &folder;
  return nullptr;
}

bool may_include(const Folder& from, const Folder& to) {
  return &from == &to || from.floor > to.floor || (from.floor == to.floor && from.step > to.step);
}

std::vector<std::string> read_lines(const fs::path& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// All files below `root`, relative to it, without what is built or belongs to git.
std::vector<std::string> files_below(const fs::path& root) {
  std::vector<std::string> files;
  for (fs::recursive_directory_iterator it(root), end; it != end; ++it) {
    const std::string name = it->path().filename().string();
    if (it->is_directory() &&
        (name == ".git" || name == "runs" || name == "__pycache__" || name.starts_with("build")))
      it.disable_recursion_pending();
    else if (it->is_regular_file())
      files.push_back(it->path().lexically_relative(root).generic_string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// What an #include line includes; empty for any other line.
std::string included_name(std::string_view line) {
  const auto skip = [&line](std::string_view word) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    const bool found = line.starts_with(word);
    if (found) line.remove_prefix(word.size());
    return found;
  };
  if (!skip("#") || !skip("include") || (!skip("\"") && !skip("<"))) return "";
  return std::string(line.substr(0, line.find_first_of("\">")));
}

// The tree's file that `name`, included by `file`, stands for; nothing for system headers and generated
// tables.
std::optional<std::string> resolve(const std::set<std::string>& tree, const std::string& file,
                                   const std::string& name) {
  std::vector<fs::path> bases = {fs::path(file).parent_path()};
  bases.insert(bases.end(), std::begin(kIncludePaths), std::end(kIncludePaths));
  for (const fs::path& base : bases) {
    const std::string path = (base / name).lexically_normal().generic_string();
    if (tree.contains(path)) return path;
  }
  return std::nullopt;
}

struct Survey {
  std::vector<std::string> violations;
  int edges = 0;  // includes that lead from one file of the tree to another
};

Survey survey_floors(const fs::path& root) {
  const std::vector<std::string> files = files_below(root);
  const std::set<std::string> tree(files.begin(), files.end());
  Survey survey;
  for (const std::string& file : files) {
    if (!file.starts_with("rt/") && !file.starts_with("src/") && !file.starts_with("cli/") &&
        !file.starts_with("include/"))
      continue;
    const Folder* from = folder_of(file);
    if (!from) {
      survey.violations.push_back(file + ": its folder has no floor; give it one in tests/layers_test.cpp");
      continue;
    }
    const std::vector<std::string> lines = read_lines(root / file);
    for (size_t i = 0; i < lines.size(); ++i) {
      const std::string name = included_name(lines[i]);
      if (name.empty()) continue;
      const auto target = resolve(tree, file, name);
      if (!target) continue;
      ++survey.edges;
      const Folder* to = folder_of(*target);
      if (to && may_include(*from, *to)) continue;
      survey.violations.push_back(
          file + ":" + std::to_string(i + 1) + ": " + std::string(from->path) + " (floor " +
          std::to_string(from->floor) + ") includes " + *target +
          (to ? " of " + std::string(to->path) + " (floor " + std::to_string(to->floor) + ")"
              : " of no floor"));
    }
  }
  return survey;
}

bool is_source(const std::string& file) {
  static const std::set<std::string> extensions = {".c",   ".h",  ".cpp", ".hpp",
                                                   ".inc", ".py", ".sh",  ".cmake"};
  const fs::path path(file);
  return extensions.contains(path.extension().string()) || path.filename() == "CMakeLists.txt" ||
         file.starts_with("scripts/") || file.starts_with(".ci/");
}

// A place that exists on one machine only. After a letter, digit, dot or dash it is the middle of some other
// path.
bool has_machine_path(const std::string& line) {
  for (const char* top : {"home", "work", "root", "Users"}) {
    std::string path(1, '/');
    path.append(top).append("/");
    for (size_t at = line.find(path); at != std::string::npos; at = line.find(path, at + 1)) {
      const char before = at == 0 ? ' ' : line[at - 1];
      if (!std::isalnum(static_cast<unsigned char>(before)) && before != '_' && before != '.' &&
          before != '-')
        return true;
    }
  }
  return false;
}

std::vector<std::string> survey_files(const fs::path& root) {
  std::vector<std::string> violations;
  for (const std::string& file : files_below(root)) {
    const bool source = is_source(file);
    const std::string extension = fs::path(file).extension().string();
    if (!source && extension != ".md" && extension != ".json" && extension != ".toml" && extension != ".html")
      continue;
    const std::vector<std::string> lines = read_lines(root / file);
    if (source && lines.size() > 600)
      violations.push_back(file + ": has " + std::to_string(lines.size()) +
                           " lines; above 600 it wants to be two");
    const auto head = lines.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(lines.size(), 2));
    const auto has_licence = [](const std::string& line) {
      return line.find("SPDX-License-Identifier: Apache-2.0") != std::string::npos;
    };
    if (source && std::none_of(lines.begin(), head, has_licence))
      violations.push_back(file + ": has no SPDX line at its top");
    for (size_t i = 0; i < lines.size(); ++i)
      if (has_machine_path(lines[i]))
        violations.push_back(file + ":" + std::to_string(i + 1) + ": holds an absolute path of one machine");
  }
  return violations;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  return all;
}

// A small tree in a temporary folder that goes with the test.
class MadeUpTree : public ::testing::Test {
 protected:
  void write(const std::string& file, const std::string& content) {
    fs::create_directories((root_ / file).parent_path());
    (void)folder_.write(file, content);
  }
  coppice::testing::TempDir folder_;
  fs::path root_ = folder_.path();
};

constexpr const char* kLicence = "// SPDX-License-Identifier: Apache-2.0\n";

using Layers = MadeUpTree;
using Sources = MadeUpTree;

TEST_F(Layers, ReportsAnIncludeOfAHigherFloorWithItsPlace) {
  write("src/graph/graph.h", kLicence);
  write("src/base/log.cpp", std::string(kLicence) + "#include <string>\n\n  #  include \"graph/graph.h\"\n");
  const Survey survey = survey_floors(root_);
  ASSERT_EQ(survey.violations.size(), 1U) << joined(survey.violations);
  EXPECT_EQ(survey.violations[0],
            "src/base/log.cpp:4: src/base (floor 1) includes src/graph/graph.h of src/graph (floor 3)");
}

TEST_F(Layers, ReportsANeighbourOfTheSameFloor) {
  write("src/io/npy.h", kLicence);
  write("src/sparse/pattern.h", "#include \"../io/npy.h\"\n");
  EXPECT_EQ(survey_floors(root_).violations.size(), 1U);
}

TEST_F(Layers, ReportsTheRuntimeIncludingTheLibraryAndPlainCIncludingTheHost) {
  write("src/base/result.h", kLicence);
  write("rt/host/pool.h", kLicence);
  write("rt/c/run.c", "#include \"base/result.h\"\n#include \"../host/pool.h\"\n");
  EXPECT_EQ(survey_floors(root_).violations.size(), 2U);
}

TEST_F(Layers, ReportsAFolderWithoutAFloor) {
  write("src/util/misc.h", kLicence);
  EXPECT_EQ(survey_floors(root_).violations.size(), 1U);
}

TEST_F(Layers, AcceptsLowerFloorsTheOwnFolderAndSubfolders) {
  write("rt/include/coppice.h", kLicence);
  write("src/base/result.h", "#include \"coppice.h\"\n");
  write("src/kernels/train_kernels.h", "#include \"base/result.h\"\n");
  write("src/kernels/c/linear.c", "#include \"train_kernels.h\"\n#include \"../train_kernels.h\"\n");
  const Survey survey = survey_floors(root_);
  EXPECT_EQ(survey.violations, std::vector<std::string>{});
  EXPECT_EQ(survey.edges, 4);
}

TEST(LayersOfThisTree, EveryIncludeGoesDown) {
  const Survey survey = survey_floors(COPPICE_SOURCE_DIR);
  EXPECT_TRUE(survey.violations.empty()) << joined(survey.violations);
  EXPECT_GT(survey.edges, 10) << "the includes of this tree were not found";
}

TEST_F(Sources, ReportsLengthLicenceAndMachinePaths) {
  std::string long_file = kLicence;
  for (int i = 0; i < 600; ++i) long_file += "\n";
  write("src/base/long.cpp", long_file);
  write("src/base/bare.h", "#pragma once\n");
  write("docs/notes.md",
        std::string("see /") + "home/someone/notes, not lib/home/ or https://host.org/home/\n");
  const std::vector<std::string> violations = survey_files(root_);
  ASSERT_EQ(violations.size(), 3U) << joined(violations);
  EXPECT_EQ(violations[0], "docs/notes.md:1: holds an absolute path of one machine");
  EXPECT_EQ(violations[1], "src/base/bare.h: has no SPDX line at its top");
  EXPECT_EQ(violations[2], "src/base/long.cpp: has 601 lines; above 600 it wants to be two");
}

TEST(SourcesOfThisTree, AreShortLicensedAndFreeOfMachinePaths) {
  const std::vector<std::string> violations = survey_files(COPPICE_SOURCE_DIR);
  EXPECT_TRUE(violations.empty()) << joined(violations);
}

}  // namespace
