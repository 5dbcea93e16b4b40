// SPDX-License-Identifier: GPL-3.0-or-later
//
// Names, shapes and configs of models. The oracles are CompVis's own code and the classes of
// diffusers and transformers, see make_keymap_goldens.py, which also proves with random weights
// that both sides compute the same; and the published numbers of parameters.

#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "engine/keymap/autoencoder.h"
#include "engine/keymap/conditioner.h"
#include "engine/keymap/tiny.h"
#include "engine/keymap/unet.h"
#include "tests/engine/keymap/goldens.h"

namespace velamen::keymap {
namespace {

using namespace test;

struct Case {
    std::string name;
    std::vector<Entry> entries;
    SingleFileOptions options;
    io::Json diffusers;
    Count compvis; // of a family
};

void add_theirs(const Blueprint& blueprint, const std::string& prefix, std::vector<Entry>& out)
{
    std::set<std::string> seen;
    for (const Slot& slot : blueprint.slots())
        if (seen.insert(slot.theirs).second)
            out.push_back({prefix + slot.theirs, DType::F16, slot.their_shape});
}

/// A family's tensors under CompVis's names: too many for a golden, so only their SHA-256 is one.
std::vector<Entry> entries_of_family(const std::string& name, const io::Json& diffusers)
{
    std::vector<Entry> out;
    for (const auto& [subfolder, part] : *diffusers.if_object()) {
        const io::Json& config = *part.find("config");
        const std::string kind = config.text_or("_class_name", "").value();
        if (subfolder == "unet") {
            add_theirs(blueprint_of(unet_from_config(config).value()), "model.diffusion_model.",
                       out);
        } else if (kind == "AutoencoderTiny") {
            const TinyHalf half = name.ends_with("encoder") ? TinyHalf::Encoder : TinyHalf::Decoder;
            add_theirs(blueprint_of(tiny_from_config(config, half).value()), "", out);
        } else if (kind == "AutoencoderKL" || kind == "VQModel") {
            add_theirs(blueprint_of(autoencoder_from_config(config).value()), "first_stage_model.",
                       out);
        } else {
            ConditionerPlan plan = conditioner_from_config(config).value();
            if (auto* bert = std::get_if<LdmBertPlan>(&plan)) bert->has_logits = true;
            add_theirs(blueprint_of(plan), "cond_stage_model.", out);
        }
    }
    return out;
}

std::vector<Case> twins()
{
    std::vector<Case> all;
    const io::Json goldens = golden("twins.json");
    for (const auto& [name, one] : *goldens.if_object())
        all.push_back({"twin_" + name,
                       entries_of(*one.find("compvis")),
                       options_of(*one.find("options")),
                       *one.find("diffusers"),
                       {}});
    return all;
}

std::vector<Case> families()
{
    std::vector<Case> all;
    const io::Json goldens = golden("families.json");
    for (const auto& [name, one] : *goldens.if_object())
        all.push_back({name, entries_of_family(name, *one.find("diffusers")),
                       options_of(*one.find("options")), *one.find("diffusers"),
                       count_in(*one.find("compvis"))});
    return all;
}

std::vector<Case> twins_and_families()
{
    auto all = twins();
    std::ranges::move(families(), std::back_inserter(all));
    return all;
}

std::string label(const testing::TestParamInfo<Case>& one)
{
    std::string name = one.param.name;
    std::ranges::replace(name, '-', '_');
    return name;
}

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

class Golden : public testing::TestWithParam<Case> {};
class Twin : public Golden {};
class PublishedFamily : public Golden {};

TEST_P(PublishedFamily, HasTheTensorsOfCompVisCode)
{
    EXPECT_EQ(count_of(GetParam().entries), GetParam().compvis);
}

TEST_P(Golden, BecomesExactlyTheTensorsOfDiffusers)
{
    const auto file = from_compvis(GetParam().entries, GetParam().options);
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_EQ(file->components.size(), GetParam().diffusers.if_object()->size());
    for (const auto& [subfolder, expected] : *GetParam().diffusers.if_object()) {
        const Component* found = component(*file, subfolder);
        ASSERT_NE(found, nullptr) << subfolder;
        EXPECT_EQ(count_of(found->tensors), count_in(expected)) << subfolder;
        for (const auto& [key, value] : *expected.find("config")->if_object()) {
            const io::Json* ours = found->config.find(key);
            ASSERT_NE(ours, nullptr) << subfolder << ": " << key;
            EXPECT_EQ(*ours, value) << subfolder << ": " << key << " = " << ours->dump();
        }
    }
}

TEST_P(Golden, ComesBackRowByRow)
{
    const auto& entries = GetParam().entries;
    const auto file = from_compvis(entries, GetParam().options);
    ASSERT_TRUE(file) << file.error().message;
    const auto back = to_compvis(stored(*file));
    ASSERT_TRUE(back) << back.error().message;

    std::vector<std::vector<Row>> ours;
    for (const Component& component : file->components)
        for (const Mapped& mapped : component.tensors)
            ours.push_back(rows_of(mapped));
    ASSERT_EQ(back->size() + file->ignored.size(), entries.size());
    for (const Mapped& mapped : *back) {
        const auto at = std::ranges::find(entries, mapped.name, &Entry::name);
        ASSERT_NE(at, entries.end()) << mapped.name;
        EXPECT_EQ(mapped.shape, at->shape) << mapped.name;
        EXPECT_EQ(mapped.dtype, at->dtype) << mapped.name;
        const auto source = static_cast<std::size_t>(at - entries.begin());
        const auto rows = rows_of(mapped);
        ASSERT_EQ(static_cast<std::int64_t>(rows.size()), at->shape.at(0)) << mapped.name;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const Row through = ours.at(rows[i].first).at(static_cast<std::size_t>(rows[i].second));
            ASSERT_EQ(through, Row(source, i)) << mapped.name;
        }
    }
}

TEST_P(Golden, DoesNotDependOnTheOrderOfTheFile)
{
    const auto& entries = GetParam().entries;
    const auto file = from_compvis(entries, GetParam().options);
    ASSERT_TRUE(file) << file.error().message;
    std::mt19937 random(5);
    for (int round = 0; round < 3; ++round) {
        auto shuffled = entries;
        std::ranges::shuffle(shuffled, random);
        auto again = from_compvis(shuffled, GetParam().options);
        ASSERT_TRUE(again) << again.error().message;
        ASSERT_EQ(again->components.size(), file->components.size());
        for (std::size_t i = 0; i < file->components.size(); ++i) {
            EXPECT_EQ(again->components[i].config, file->components[i].config);
            for (Mapped& mapped : again->components[i].tensors)
                for (Piece& piece : mapped.pieces)
                    piece.source = static_cast<std::size_t>(
                        std::ranges::find(entries, shuffled[piece.source].name, &Entry::name)
                        - entries.begin());
            EXPECT_EQ(again->components[i].tensors, file->components[i].tensors);
        }
    }
}

/// Takes about 150 tensors of a twin, all kinds among them.
std::size_t stride(const std::vector<Entry>& entries) { return 1 + entries.size() / 150; }

// One tensor too few is never taken for another model, but for what is a model without it.
TEST_P(Twin, IsNotReadWithATensorMissing)
{
    const auto& entries = GetParam().entries;
    const auto whole = from_compvis(entries, GetParam().options);
    ASSERT_TRUE(whole) << whole.error().message;
    std::set<std::string> optional(whole->ignored.begin(), whole->ignored.end());
    optional.insert(
        {"model.diffusion_model.label_emb.weight", "cond_stage_model.embedding.weight"});
    for (std::size_t i = 0; i < entries.size(); i += stride(entries)) {
        auto fewer = entries;
        fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
        const auto file = from_compvis(fewer, GetParam().options);
        EXPECT_EQ(file.has_value(), optional.contains(entries[i].name)) << entries[i].name;
        if (file) continue;
        EXPECT_EQ(file.error().code, ErrorCode::Unsupported) << file.error().message;
    }
}

/// Sizes that nothing else in the file repeats: any value is a model.
bool is_free(const std::string& name, std::size_t axis)
{
    const auto is = [&](const char* end, std::size_t wanted) {
        return axis == wanted && name.ends_with(end);
    };
    return is("label_emb.weight", 0) || is("cond_stage_model.embedding.weight", 0)
        || is("token_embedding.weight", 0) || is("position_embedding.weight", 0)
        || is("positional_embedding", 0) || is("pos_emb.emb.weight", 0)
        || is("quantize.embedding.weight", 0) || is("encoder.conv_in.weight", 1)
        || (axis == 1 && (name == "0.weight" || name == "1.weight"));
}

TEST_P(Twin, IsNotReadWithASizeChanged)
{
    const auto& entries = GetParam().entries;
    const auto whole = from_compvis(entries, GetParam().options);
    ASSERT_TRUE(whole) << whole.error().message;
    const std::set<std::string> ignored(whole->ignored.begin(), whole->ignored.end());
    for (std::size_t i = 0; i < entries.size(); i += stride(entries))
        for (std::size_t axis = 0; axis < entries[i].shape.size(); ++axis) {
            auto changed = entries;
            ++changed[i].shape[axis];
            const auto file = from_compvis(changed, GetParam().options);
            EXPECT_EQ(file.has_value(),
                      ignored.contains(entries[i].name) || is_free(entries[i].name, axis))
                << entries[i].name << " axis " << axis;
        }
}

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(twins_and_families()), label);
INSTANTIATE_TEST_SUITE_P(All, Twin, testing::ValuesIn(twins()), label);
INSTANTIATE_TEST_SUITE_P(All, PublishedFamily, testing::ValuesIn(families()), label);

TEST(Families, HaveThePublishedNumbersOfParameters)
{
    struct Published {
        const char* family;
        const char* component;
        std::int64_t parameters;
        std::int64_t tensors;
    };
    const io::Json goldens = golden("families.json");
    for (const auto& [family, name, parameters, tensors] :
         std::vector<Published>{{"sd1", "unet", 859520964, 686},
                                {"sd1", "vae", 83653863, 248},
                                {"sd1", "text_encoder", 123060480, 196},
                                {"sd2", "unet", 865910724, 686},
                                {"sd2", "text_encoder", 340387840, 372},
                                {"text2im", "unet", 872300484, 686},
                                {"text2im", "bert", 581994042, 422},
                                {"cin256", "unet", 400920579, 688},
                                {"cin256", "vqvae", 55322782, 205},
                                {"cin256", "class_embedder", 512512, 1},
                                {"celebahq", "unet", 274056163, 432},
                                {"dp-ldm-cifar", "unet", 90290563, 686},
                                {"dp-ldm-cifar", "vae", 14639807, 206},
                                {"dp-ldm-emnist", "unet", 4606467, 302},
                                {"dp-ldm-emnist", "vae", 102553535, 402},
                                {"dp-ldm-celeba32", "unet", 162314115, 402},
                                {"taesd-encoder", "vae", 1222532, 67},
                                {"taesd-decoder", "vae", 1222531, 67}}) {
        const io::Json& one = *goldens.find(family);
        const auto file = from_compvis(entries_of_family(family, *one.find("diffusers")),
                                       options_of(*one.find("options")));
        ASSERT_TRUE(file) << family << ": " << file.error().message;
        const Component* found = component(*file, name);
        ASSERT_NE(found, nullptr) << family << " " << name;
        EXPECT_EQ(count_of(found->tensors).parameters, parameters) << family << " " << name;
        EXPECT_EQ(count_of(found->tensors).tensors, tensors) << family << " " << name;
    }
}

TEST_P(PublishedFamily, IsToldByItsShapes)
{
    const auto file = from_compvis(GetParam().entries, GetParam().options);
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->family, GetParam().name.starts_with("taesd") ? "taesd" : GetParam().name);
}

} // namespace
} // namespace velamen::keymap
