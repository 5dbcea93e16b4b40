// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a project remembers of a draft, and the words for units. Oracle: the values put in.

#include <gtest/gtest.h>

#include "ui/models/class_mapping.h"
#include "ui/models/request_json.h"
#include "ui/models/unit_words.h"

namespace velamen::ui {
namespace {

/// A draft in which every field differs from its default.
Draft unusual()
{
    Draft draft;
    auto& r = draft.request;
    r.keys = {.label = "column:diagnosis", .unit = "pattern:([^/_]+)_"};
    r.unit = "household";
    r.epsilon = 3.5;
    r.delta = 1e-7;
    r.neighbours = privacy::Neighbours::AddRemove;
    r.public_units = 1500;
    r.expected_batch = 77;
    r.steps = 321;
    r.selection = "lora:4";
    r.train_conditioner = false;
    r.release_clipped_fraction = true;
    r.hardened = true;
    r.warm_start = true;
    r.class_votes = true;
    r.images_per_unit = 6;
    r.noise_multiplicity = 3;
    r.rule = "sgd";
    r.clipping = "per_block";
    r.precision = "bf16";
    r.memory_limit = 2.5;
    r.public_source = "/somewhere/public";
    r.public_batch = 64;
    draft.unitKey = "column:patient";
    draft.unitsArePublic = false;
    return draft;
}

void expectSame(const train::PlanRequest& found, const train::PlanRequest& wanted)
{
    EXPECT_EQ(found.keys, wanted.keys);
    EXPECT_EQ(found.unit, wanted.unit);
    EXPECT_DOUBLE_EQ(found.epsilon, wanted.epsilon);
    EXPECT_DOUBLE_EQ(found.delta, wanted.delta);
    EXPECT_EQ(found.neighbours, wanted.neighbours);
    EXPECT_EQ(found.public_units, wanted.public_units);
    EXPECT_EQ(found.expected_batch, wanted.expected_batch);
    EXPECT_EQ(found.steps, wanted.steps);
    EXPECT_EQ(found.selection, wanted.selection);
    EXPECT_EQ(found.train_conditioner, wanted.train_conditioner);
    EXPECT_EQ(found.release_clipped_fraction, wanted.release_clipped_fraction);
    EXPECT_EQ(found.hardened, wanted.hardened);
    EXPECT_EQ(found.warm_start, wanted.warm_start);
    EXPECT_EQ(found.class_votes, wanted.class_votes);
    EXPECT_EQ(found.images_per_unit, wanted.images_per_unit);
    EXPECT_EQ(found.noise_multiplicity, wanted.noise_multiplicity);
    EXPECT_EQ(found.rule, wanted.rule);
    EXPECT_EQ(found.clipping, wanted.clipping);
    EXPECT_EQ(found.precision, wanted.precision);
    EXPECT_DOUBLE_EQ(found.memory_limit, wanted.memory_limit);
    EXPECT_EQ(found.public_source, wanted.public_source);
    EXPECT_EQ(found.public_batch, wanted.public_batch);
}

TEST(Draft, ComesBackAsItWasSaved)
{
    const Draft wanted = unusual();
    const auto text = toJson(wanted).dump();
    const auto parsed = io::Json::parse(text);
    ASSERT_TRUE(parsed);
    const Draft found = draftFrom(*parsed);
    expectSame(found.request, wanted.request);
    EXPECT_EQ(found.unitKey, wanted.unitKey);
    EXPECT_EQ(found.unitsArePublic, wanted.unitsArePublic);
}

TEST(Draft, OfAnOlderProgramKeepsTheDefaultsOfWhatItDoesNotName)
{
    const auto old = io::Json::parse(R"({"epsilon": 2.0, "steps": 10})");
    ASSERT_TRUE(old);
    train::PlanRequest wanted;
    wanted.epsilon = 2.0;
    wanted.steps = 10;
    expectSame(draftFrom(*old).request, wanted);
}

TEST(Draft, WithFieldsOfAWrongTypeKeepsTheirDefaults)
{
    const auto damaged = io::Json::parse(
        R"({"keys": 3, "unit": 4, "warm_start": "yes", "images_per_unit": "many", "rule": []})");
    ASSERT_TRUE(damaged);
    expectSame(draftFrom(*damaged).request, train::PlanRequest{});
}

TEST(UnitWords, ArePluralAsInEnglish)
{
    EXPECT_EQ(unitPlural("image"), QStringLiteral("images"));
    EXPECT_EQ(unitPlural("patient"), QStringLiteral("patients"));
    EXPECT_EQ(unitPlural("study"), QStringLiteral("studies"));
    EXPECT_EQ(unitPlural("day"), QStringLiteral("days"));
    EXPECT_EQ(unitPlural("batch"), QStringLiteral("batches"));
    EXPECT_EQ(unitCount(1, "study"), QStringLiteral("1 study"));
    EXPECT_EQ(unitCount(2, "study"), QStringLiteral("2 studies"));
}

TEST(UnitWords, NameWhereAKeyIsFound)
{
    EXPECT_EQ(unitKeyText("column:patient"), QStringLiteral("column “patient”"));
    EXPECT_EQ(unitKeyText("file"), QStringLiteral("each image"));
    EXPECT_EQ(unitKeyText("pattern:(x)"), QStringLiteral("part of the file name"));
    EXPECT_EQ(labelKeyText("folder"), QStringLiteral("names of subfolders"));
}

TEST(ClassMapping, SumsUpItsSmallestParts)
{
    EXPECT_EQ(mappingText({"0", {{"o", 0.6}, {"O", 0.3}, {"Q", 0.06}, {"c", 0.03}, {"e", 0.01}}}),
              QStringLiteral("o 60 %, O 30 %, Q 6 %, others 4 %"));
    EXPECT_EQ(mappingText({"1", {{"l", 1.0}}}), QStringLiteral("l 100 %"));
    EXPECT_EQ(mappingText({"2", {}}), QStringLiteral("no public class stood out"));
}

} // namespace
} // namespace velamen::ui
