// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a project folder keeps, refuses and remembers. The oracle is project.h.

#include <cstdlib>

#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/project/project.h"
#include "tests/support/temp_dir.h"

namespace velamen::project {
namespace {

namespace fs = std::filesystem;

TEST(Project, ComesBackAsItWasSaved)
{
    const test::TempDir dir;
    const fs::path folder = dir.path() / "demo";
    Settings settings{.name = "Demo ü", .source = "/somewhere/private", .checkpoint = {}};
    settings.draft["epsilon"] = 2.5;
    {
        auto project = Project::create(folder, "Demo");
        ASSERT_TRUE(project) << project.error().message;
        EXPECT_EQ((*project)->settings().name, "Demo");
        ASSERT_TRUE((*project)->save(settings));
        EXPECT_EQ((*project)->settings().name, settings.name);
    }
    const auto project = Project::open(folder);
    ASSERT_TRUE(project) << project.error().message;
    EXPECT_EQ((*project)->settings().name, settings.name);
    EXPECT_EQ((*project)->settings().source, settings.source);
    EXPECT_EQ((*project)->settings().checkpoint, fs::path());
    EXPECT_EQ((*project)->settings().draft, settings.draft);
    EXPECT_EQ((*project)->folder(), folder);
}

TEST(Project, KeepsItsPrivateFolderToItsOwner)
{
    const test::TempDir dir;
    const auto project = Project::create(dir.path() / "demo", "Demo");
    EXPECT_EQ(fs::status((*project)->private_folder()).permissions() & fs::perms::all,
              fs::perms::owner_all);
}

TEST(Project, IsBusyWhileItIsOpenElsewhere)
{
    const test::TempDir dir;
    {
        const auto project = Project::create(dir.path() / "demo", "Demo");
        ASSERT_TRUE(project);
        EXPECT_EQ(Project::open(dir.path() / "demo").error().code, ErrorCode::Busy);
    }
    EXPECT_TRUE(Project::open(dir.path() / "demo/"));
}

TEST(Project, StoresPathsInsideItRelativeSoThatItCanMove)
{
    const test::TempDir dir;
    const fs::path old_place = dir.path() / "old", new_place = dir.path() / "new";
    {
        auto project = Project::create(old_place, "Demo");
        Settings settings = (*project)->settings();
        settings.source = old_place / "images";
        settings.checkpoint = dir.path() / "old-checkpoint";
        ASSERT_TRUE((*project)->save(settings));
    }
    EXPECT_EQ(core::read_file(old_place / "project.json")->find(old_place.string() + "/"),
              std::string::npos);
    fs::rename(old_place, new_place);
    const auto project = Project::open(new_place);
    EXPECT_EQ((*project)->settings().source, new_place / "images");
    EXPECT_EQ((*project)->settings().checkpoint, dir.path() / "old-checkpoint");
}

TEST(Project, RefusesAFolderThatHoldsSomethingElse)
{
    const test::TempDir dir;
    ASSERT_TRUE(core::write_file(dir.path() / "thesis.txt", std::string_view("words")));
    EXPECT_EQ(Project::create(dir.path(), "Demo").error().code, ErrorCode::Refused);
    EXPECT_EQ(Project::create(dir.path() / "thesis.txt", "Demo").error().code, ErrorCode::Refused);
    EXPECT_EQ(Project::open(dir.path()).error().code, ErrorCode::NotFound);
    EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()), 1);
    ASSERT_TRUE(Project::create(dir.path() / "empty", "Demo"));
    EXPECT_EQ(Project::create(dir.path() / "empty", "Again").error().code, ErrorCode::Refused);
}

TEST(Project, NamesWhatIsWrongWithItsFile)
{
    const test::TempDir dir;
    const fs::path folder = dir.path() / "demo";
    ASSERT_TRUE(Project::create(folder, "Demo"));
    const auto code_of = [&](const std::string& text) {
        EXPECT_TRUE(core::write_file(folder / "project.json", text));
        const auto project = Project::open(folder);
        return project ? ErrorCode::Internal : project.error().code;
    };
    EXPECT_EQ(code_of(R"({"schema":2,"name":"x"})"), ErrorCode::Unsupported);
    EXPECT_EQ(code_of(""), ErrorCode::Corrupt);
    EXPECT_EQ(code_of(R"({"schema":1,"name")"), ErrorCode::Corrupt);
    EXPECT_EQ(code_of("[]"), ErrorCode::Corrupt);
    EXPECT_EQ(code_of(R"({"schema":1})"), ErrorCode::Corrupt);
    EXPECT_EQ(code_of(R"({"schema":0,"name":"x"})"), ErrorCode::Corrupt);
    EXPECT_EQ(code_of(R"({"schema":1,"name":"x","source":5})"), ErrorCode::Corrupt);
    EXPECT_EQ(code_of(R"({"schema":1,"name":"x","draft":[]})"), ErrorCode::Corrupt);
    ASSERT_TRUE(
        core::write_file(folder / "project.json", std::string_view(R"({"schema":1,"name":"x"})")));
    EXPECT_TRUE(Project::open(folder));
}

TEST(Project, CountsRunsAndNeverUsesANumberAgain)
{
    const test::TempDir dir;
    const fs::path folder = dir.path() / "demo";
    {
        auto project = Project::create(folder, "Demo");
        EXPECT_EQ((*project)->new_run()->filename(), "0001");
        EXPECT_EQ((*project)->new_run()->filename(), "0002");
        fs::create_directory(folder / "runs" / "notes");
        EXPECT_EQ((*project)->runs().size(), 2U);
        fs::remove(folder / "runs" / "0002");
    }
    auto project = Project::open(folder);
    EXPECT_EQ((*project)->new_run()->filename(), "0003");
    fs::create_directory(folder / "runs" / "9999");
    EXPECT_EQ((*project)->new_run()->filename(), "10000");
    ASSERT_EQ((*project)->runs().size(), 4U);
    EXPECT_EQ((*project)->runs().back().filename(), "10000");
}

TEST(RecentProjects, AreNewestFirstWithoutMissingOnes)
{
    const test::TempDir dir;
    const char* before = std::getenv("XDG_DATA_HOME");
    const std::string old = before != nullptr ? before : "";
    ASSERT_EQ(::setenv("XDG_DATA_HOME", (dir.path() / "data").c_str(), 1), 0);
    EXPECT_TRUE(recent_projects().empty());
    for (const char* name : {"a", "b", "c"}) {
        ASSERT_TRUE(Project::create(dir.path() / name, name));
        remember_project(dir.path() / name);
    }
    remember_project(dir.path() / "a/");
    fs::remove_all(dir.path() / "b");
    EXPECT_EQ(recent_projects(), (std::vector<fs::path>{dir.path() / "a", dir.path() / "c"}));
    ASSERT_TRUE(core::write_file(dir.path() / "data/velamen/recent.json", std::string_view("{")));
    EXPECT_TRUE(recent_projects().empty());
    remember_project(dir.path() / "c");
    EXPECT_EQ(recent_projects().size(), 1U);
    before != nullptr ? ::setenv("XDG_DATA_HOME", old.c_str(), 1) : ::unsetenv("XDG_DATA_HOME");
}

} // namespace
} // namespace velamen::project
