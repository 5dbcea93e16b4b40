// SPDX-License-Identifier: GPL-3.0-or-later
//
// A checkpoint on its way to the disk and back: nothing is lost, nothing foreign gets in, and a
// tuned copy differs from its base in the trained tensors only.

#include "engine/checkpoint/checkpoint.h"

#include <map>
#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/checkpoint/forward.h"
#include "engine/checkpoint/tensors.h"
#include "engine/core/file.h"
#include "engine/io/safetensors.h"
#include "engine/tensor/convert.h"
#include "tests/engine/checkpoint/tiny_checkpoint.h"
#include "tests/support/temp_dir.h"
#include "tests/support/value.h"

namespace velamen::checkpoint {
namespace {

namespace fs = std::filesystem;

using test::value;

std::string text_of(const fs::path& path) { return value(core::read_file(path)); }

/// Relative path -> content of every file.
std::map<std::string, std::string> contents(const fs::path& folder)
{
    std::map<std::string, std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
        if (entry.is_regular_file())
            out[entry.path().lexically_relative(folder).string()] = text_of(entry.path());
    return out;
}

/// Writes the weights of a part again after `change` has seen name -> tensor.
template <class Change>
void rewrite(const fs::path& path, Change change)
{
    std::map<std::string, at::Tensor> tensors;
    {
        const auto file = value(io::SafetensorsFile::open(path));
        for (const auto& view : file.tensors())
            tensors[view.name] = tensor::to_tensor(view.dtype, view.shape, view.bytes);
    }
    change(tensors);
    std::vector<io::TensorView> views;
    for (const auto& [name, stored] : tensors)
        views.push_back({.name = name,
                         .dtype = tensor::dtype_of(stored),
                         .shape = tensor::shape_of(stored),
                         .bytes = tensor::bytes_of(stored)});
    ASSERT_TRUE(io::write_safetensors(path, views));
}

class CheckpointTest : public testing::Test {
protected:
    test::TempDir temp_;
    fs::path folder_ = temp_.path() / "tiny";
    test::TinyCheckpoint tiny_;
    const fs::path unet_file_ = folder_ / "unet/diffusion_pytorch_model.safetensors";
};

TEST_F(CheckpointTest, LoadsWhatWasSavedInBothPrecisions)
{
    for (DType dtype : {DType::F32, DType::F16}) {
        tiny_.save(folder_, dtype);
        const auto loaded = value(Checkpoint::load(folder_));
        const auto before = tiny_.unet->named_parameters();
        for (const auto& item : loaded->unet().named_parameters()) {
            EXPECT_TRUE(torch::equal(item.value(), before[item.key()])) << item.key();
            EXPECT_EQ(item.value().scalar_type(), torch::kFloat);
            EXPECT_FALSE(item.value().requires_grad());
        }
        const torch::NoGradGuard no_grad;
        const auto z = torch::randn({1, 2, 4, 4});
        EXPECT_TRUE(torch::equal(loaded->autoencoder().decode(z), tiny_.vae->decode(z)));
        EXPECT_EQ(loaded->schedule().to_json(), tiny_.schedule.to_json());
        EXPECT_EQ(loaded->card().classes, tiny_.card.classes);
        EXPECT_EQ(loaded->card().latent_std, tiny_.card.latent_std);
        EXPECT_EQ(loaded->card().extra, tiny_.card.extra);
        EXPECT_FALSE(loaded->unet().is_training());
    }
}

TEST_F(CheckpointTest, NamesWhatIsMissingForeignOrMisshapen)
{
    tiny_.save(folder_);
    rewrite(unet_file_, [](auto& tensors) {
        tensors.erase("conv_in.weight");
        tensors["time_embedding.linear_1.bias"] = torch::zeros({3});
        tensors["lora.up.weight"] = torch::zeros({1});
        tensors["conv_out.bias"] = torch::zeros({2}, torch::kLong);
    });
    const auto loaded = Checkpoint::load(folder_);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, ErrorCode::Corrupt);
    for (const char* part : {"1 missing (conv_in.weight)", "1 unexpected (lora.up.weight)",
                             "1 misshapen (time_embedding.linear_1.bias [3] instead of [32])",
                             "1 not floating point (conv_out.bias)"})
        EXPECT_NE(loaded.error().message.find(part), std::string::npos) << loaded.error().message;
}

TEST_F(CheckpointTest, NamesTensorsThatAreNotFinite)
{
    tiny_.save(folder_);
    rewrite(unet_file_, [](auto& tensors) { tensors["conv_norm_out.bias"].fill_(std::nan("")); });
    const auto loaded = Checkpoint::load(folder_);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, ErrorCode::Corrupt);
    EXPECT_NE(loaded.error().message.find("1 with values that are not finite (conv_norm_out.bias)"),
              std::string::npos)
        << loaded.error().message;
}

// fp32 weights are used where they lie in the file: writing them must not reach it.
TEST_F(CheckpointTest, TrainingDoesNotChangeTheFile)
{
    tiny_.save(folder_);
    const std::string before = text_of(unet_file_);
    const auto loaded = value(Checkpoint::load(folder_));
    const torch::NoGradGuard no_grad;
    for (auto& [name, stored] : named_tensors(*loaded))
        stored.fill_(7.0);
    EXPECT_EQ(text_of(unet_file_), before);
    const auto again = value(Checkpoint::load(folder_));
    EXPECT_TRUE(torch::equal(again->unet().named_parameters()["conv_in.bias"],
                             tiny_.unet->named_parameters()["conv_in.bias"]));
}

TEST_F(CheckpointTest, NamesFiveOfManyMissingTensorsAndCountsAll)
{
    tiny_.save(folder_);
    rewrite(unet_file_, [](auto& tensors) {
        std::erase_if(tensors,
                      [](const auto& item) { return item.first.starts_with("mid_block"); });
    });
    const auto loaded = Checkpoint::load(folder_);
    ASSERT_FALSE(loaded);
    EXPECT_NE(loaded.error().message.find(" missing (mid_block"), std::string::npos);
    EXPECT_NE(loaded.error().message.find(", ...)"), std::string::npos);
}

TEST_F(CheckpointTest, RefusesPartsThatDoNotFitEachOther)
{
    tiny_.card.classes = {"a", "b"};
    const auto saved = tiny_.try_save(folder_);
    ASSERT_FALSE(saved);
    EXPECT_FALSE(fs::exists(folder_));
    tiny_.card.classes = {"a", "b", "c"};
    tiny_.save(folder_);
    fs::remove(folder_ / "vae/config.json");
    const auto loaded = Checkpoint::load(folder_);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, ErrorCode::NotFound);
    EXPECT_NE(loaded.error().message.find("vae/config.json"), std::string::npos);
    EXPECT_FALSE(Checkpoint::load(temp_.path() / "nowhere"));
}

TEST_F(CheckpointTest, SavingReplacesAnEarlierCheckpointButNothingElse)
{
    tiny_.save(folder_);
    ASSERT_TRUE(core::make_directory(folder_ / ".state"));
    ASSERT_TRUE(core::write_file(folder_ / ".state/step", "12"));
    ASSERT_TRUE(core::write_file(folder_ / "stale.txt", "x"));
    tiny_.save(folder_);
    EXPECT_FALSE(fs::exists(folder_ / "stale.txt"));
    EXPECT_EQ(text_of(folder_ / ".state/step"), "12"); // hidden entries are kept
    EXPECT_EQ(std::distance(fs::directory_iterator(temp_.path()), fs::directory_iterator()), 1);

    const fs::path foreign = temp_.path() / "photos";
    ASSERT_TRUE(core::make_directory(foreign));
    ASSERT_TRUE(core::write_file(foreign / "cat.png", "x"));
    const auto refused = tiny_.try_save(foreign);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Refused);
    EXPECT_EQ(text_of(foreign / "cat.png"), "x");
}

TEST_F(CheckpointTest, ATunedCopyDiffersInTheTrainedTensorsOnly)
{
    tiny_.save(folder_, DType::F16);
    ASSERT_TRUE(core::write_file(folder_ / "LICENSE", "CC0"));
    auto loaded = value(Checkpoint::load(folder_));
    const std::vector<std::string> trained{"unet/mid_block.attentions.0.proj_in.weight",
                                           "class_embedder/embedding.weight"};
    const std::set<std::string> is_trained(trained.begin(), trained.end());
    for (auto& [name, stored] : named_tensors(*loaded))
        stored.add_(1.0); // also the frozen ones: they must come from the file, not from here
    const fs::path out = temp_.path() / "runs/tuned";
    Card card = loaded->card();
    card.ledger_seq = 9;
    card.ledger_hash = "abc";
    const auto saved = loaded->save_tuned(out, trained, card);
    ASSERT_TRUE(saved) << saved.error().message;

    auto before = contents(folder_), after = contents(out);
    const std::set<std::string> changed{"unet/diffusion_pytorch_model.safetensors",
                                        "class_embedder/model.safetensors", "velamen.json"};
    ASSERT_EQ(before.size(), after.size());
    for (const auto& [name, text] : before)
        EXPECT_EQ(text == after[name], !changed.contains(name)) << name;
    for (const auto& [part, path] : std::map<std::string, std::string>{
             {"unet", "unet/diffusion_pytorch_model.safetensors"},
             {"class_embedder", "class_embedder/model.safetensors"}}) {
        const auto base = value(io::SafetensorsFile::open(folder_ / path));
        const auto tuned = value(io::SafetensorsFile::open(out / path));
        ASSERT_EQ(base.tensors().size(), tuned.tensors().size());
        EXPECT_EQ(base.metadata(), tuned.metadata());
        for (std::size_t i = 0; i < base.tensors().size(); ++i) {
            const auto &a = base.tensors()[i], &b = tuned.tensors()[i];
            EXPECT_EQ(a.name, b.name);
            EXPECT_EQ(a.dtype, b.dtype);
            EXPECT_EQ(std::ranges::equal(a.bytes, b.bytes),
                      !is_trained.contains(part + "/" + a.name))
                << a.name;
        }
    }
    const auto again = value(Checkpoint::load(out));
    EXPECT_EQ(again->card().trained_tensors, trained);
    EXPECT_EQ(again->card().ledger_seq, 9);
    EXPECT_EQ(again->card().ledger_hash, "abc");
    EXPECT_EQ(again->card().base_sha256, value(fingerprint(folder_)));
    EXPECT_NE(again->card().base_sha256, value(fingerprint(out)));
}

TEST_F(CheckpointTest, ATunedCopyRefusesUnknownNamesItsOwnBaseAndOverflow)
{
    tiny_.save(folder_, DType::F16);
    auto loaded = value(Checkpoint::load(folder_));
    const fs::path out = temp_.path() / "tuned";
    EXPECT_FALSE(loaded->save_tuned(out, {"unet/nothing.weight"}, loaded->card()));
    EXPECT_FALSE(loaded->save_tuned(folder_, {}, loaded->card()));
    loaded->unet().named_parameters()["conv_in.bias"].fill_(1e6);
    const auto overflow = loaded->save_tuned(out, {"unet/conv_in.bias"}, loaded->card());
    ASSERT_FALSE(overflow);
    EXPECT_NE(overflow.error().message.find("conv_in.bias"), std::string::npos);
    EXPECT_FALSE(fs::exists(out));
}

TEST_F(CheckpointTest, NewClassesStartNearTheMeanOfThePublicOnesAndKeepTheNullRow)
{
    tiny_.save(folder_);
    auto loaded = value(Checkpoint::load(folder_));
    const auto old = loaded->conditioner().parameters().front().clone();
    ASSERT_TRUE(loaded->set_classes({"0", "1", "2", "3", "4"}, 11));
    auto& embedder = loaded->conditioner();
    const auto table = embedder.parameters().front();
    EXPECT_EQ(embedder.null_class(), 5);
    EXPECT_FALSE(table.requires_grad());
    EXPECT_TRUE(torch::equal(table[5], old[3]));
    const auto known = old.narrow(0, 0, 3);
    const auto distance = (table.narrow(0, 0, 5) - known.mean(0)).abs();
    EXPECT_TRUE((distance <= 0.5 * known.std(0)).all().item<bool>()); // 5 sigma of a tenth
    EXPECT_GT(distance.min().item<float>(), 0.0f);

    ASSERT_TRUE(loaded->set_classes({"0", "1", "2", "3", "4"}, 11));
    EXPECT_FALSE(loaded->set_classes({}, 1));
    EXPECT_FALSE(loaded->set_classes({"a", "a"}, 1));

    const fs::path out = temp_.path() / "tuned";
    const auto saved = loaded->save_tuned(out, {"class_embedder/embedding.weight"}, loaded->card());
    ASSERT_TRUE(saved) << saved.error().message;
    auto again = value(Checkpoint::load(out));
    EXPECT_EQ(again->card().classes.size(), 5u);
    EXPECT_TRUE(torch::equal(again->conditioner().parameters().front(),
                             loaded->conditioner().parameters().front()));
}

TEST_F(CheckpointTest, ClassRowsAreMixedFromThePublicOnesInPlace)
{
    tiny_.save(folder_);
    auto loaded = value(Checkpoint::load(folder_));
    const auto publics = loaded->public_classes();
    ASSERT_EQ(publics.size(), 3u);
    const auto old = loaded->conditioner().parameters().front().clone();
    EXPECT_FALSE(loaded->mix_class_rows(std::vector<double>(9, 1.0))); // no new classes yet
    ASSERT_TRUE(loaded->set_classes({"0", "1"}, 11));
    EXPECT_EQ(loaded->public_classes(), publics);
    const auto table = loaded->conditioner().parameters().front();
    const auto untouched = table[1].clone();
    EXPECT_FALSE(loaded->mix_class_rows(std::vector<double>{1.0}));
    EXPECT_FALSE(loaded->mix_class_rows(std::vector<double>{1.0, 0.0, -1.0, 0.0, 0.0, 0.0}));
    ASSERT_TRUE(loaded->mix_class_rows(std::vector<double>{6.0, 0.0, 2.0, 0.0, 0.0, 0.0}));
    EXPECT_TRUE(torch::allclose(table[0], 0.75 * old[0] + 0.25 * old[2])); // the same tensor
    EXPECT_TRUE(torch::equal(table[1], untouched));
    EXPECT_TRUE(torch::equal(table[2], old[3]));
}

TEST_F(CheckpointTest, InspectCountsWhatASelectionTrains)
{
    tiny_.save(folder_, DType::F16);
    const Inspection with_dead = value(inspect(folder_, "attention", false));
    const Inspection without = value(inspect(folder_, "attention", true));
    EXPECT_TRUE(with_dead.problems.empty()) << with_dead.problems.front().message;
    std::int64_t all = 20, attention = 20, dead = 0; // 20: the class table
    for (const auto& item : tiny_.unet->named_parameters()) {
        const auto contains = [&](const char* text) {
            return item.key().find(text) != std::string::npos;
        };
        all += item.value().numel();
        if (contains("attentions")) attention += item.value().numel();
        if (contains("attn2.to_q") || contains("attn2.to_k")
            || (contains("transformer_blocks") && contains(".norm2")))
            dead += item.value().numel();
    }
    EXPECT_EQ(with_dead.total_parameters, all);
    EXPECT_EQ(with_dead.trained_parameters, attention);
    EXPECT_EQ(with_dead.dead_parameters, dead);
    EXPECT_EQ(without.dead_parameters, dead);
    EXPECT_EQ(without.trained_parameters, attention - dead);
    EXPECT_EQ(with_dead.card.name, "tiny");
    ASSERT_EQ(with_dead.components.size(), 3u);
    EXPECT_EQ(with_dead.components[0].kind, "UNet2DConditionModel");
    EXPECT_EQ(with_dead.components[0].dtype, "F16");

    std::vector<std::string> names;
    for (const auto& block : with_dead.blocks)
        names.push_back(block.name);
    const std::vector<std::string> expected{"class_embedder",
                                            "conv_in",
                                            "time_embedding",
                                            "down_blocks.0.resnets.0",
                                            "down_blocks.0.attentions.0",
                                            "down_blocks.0.downsamplers.0",
                                            "down_blocks.1.resnets.0",
                                            "down_blocks.1.attentions.0",
                                            "mid_block.resnets.0",
                                            "mid_block.attentions.0",
                                            "mid_block.resnets.1",
                                            "up_blocks.0.resnets.0",
                                            "up_blocks.0.attentions.0",
                                            "up_blocks.0.resnets.1",
                                            "up_blocks.0.attentions.1",
                                            "up_blocks.0.upsamplers.0",
                                            "up_blocks.1.resnets.0",
                                            "up_blocks.1.attentions.0",
                                            "up_blocks.1.resnets.1",
                                            "up_blocks.1.attentions.1",
                                            "conv_norm_out",
                                            "conv_out"};
    EXPECT_EQ(names, expected);
}

TEST_F(CheckpointTest, InspectNamesWeightsThatAreNotAUNets)
{
    tiny_.save(folder_);
    std::filesystem::copy_file(folder_ / "vae/diffusion_pytorch_model.safetensors",
                               folder_ / "unet/diffusion_pytorch_model.safetensors",
                               std::filesystem::copy_options::overwrite_existing);
    const auto refused = inspect(folder_, "attention", true);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Corrupt);
    EXPECT_NE(refused.error().message.find("not a UNet's"), std::string::npos);
    EXPECT_EQ(select_tensors({"conv_in.weight"}, "attention", true).error().code,
              ErrorCode::Unsupported);
}

TEST_F(CheckpointTest, SelectionsTakeWhatTheirNameSays)
{
    tiny_.save(folder_);
    auto loaded = value(Checkpoint::load(folder_));
    std::vector<std::string> all;
    for (const auto& [name, stored] : named_tensors(*loaded))
        all.push_back(name);
    const auto select = [&](const std::string& selection, bool skip_dead = false) {
        return value(select_tensors(all, selection, skip_dead));
    };
    EXPECT_EQ(select("full"), all);
    EXPECT_EQ(select("attention:from=1"), select("attention"));
    // Blocks in graph order: down 0, down 1, mid, up 0 (two), up 1 (two). The sixth is the last but
    // one.
    for (const std::string& name : select("attention:from=6"))
        EXPECT_TRUE(name.starts_with("unet/up_blocks.1.attentions.")
                    || name.starts_with("class_embedder/"))
            << name;
    EXPECT_EQ(select("attention:from=6").size(), 2 * (select("attention").size() - 1) / 7 + 1);
    EXPECT_EQ(select("qkvo").size(), 7u * 2 * 5 + 1); // q, k, v, and o with bias
    EXPECT_EQ(select("cross").size(), 7u * 5 + 1);
    EXPECT_EQ(select("attention", true).size(), select("attention").size() - 7 * 4);
    for (const std::string selection : {"full", "attention", "qkvo", "cross"}) {
        const auto names = select(selection, true);
        EXPECT_EQ(names.back(), "class_embedder/embedding.weight"); // always trained
    }
    for (const std::string wrong :
         {"atention", "", "attention:from=0", "attention:from=8", "attention:from=", "lora:0"}) {
        const auto selected = select_tensors(all, wrong, true);
        ASSERT_FALSE(selected) << wrong;
        EXPECT_EQ(selected.error().code, ErrorCode::InvalidArgument);
        EXPECT_FALSE(selected.error().hint.empty());
    }
}

// Without velamen's own statistics, latents are scaled as diffusers does.
TEST_F(CheckpointTest, LatentScaleFallsBackToTheScalingFactor)
{
    tiny_.card.latent_mean.clear();
    tiny_.card.latent_std.clear();
    tiny_.save(folder_);
    const auto loaded = value(Checkpoint::load(folder_));
    EXPECT_EQ(loaded->card().latent_mean, (std::vector<double>{0.0, 0.0}));
    EXPECT_DOUBLE_EQ(loaded->card().latent_std.at(1), 1.0 / 0.18215);
}

class ForwardTest : public CheckpointTest {
protected:
    Result<> run(const std::string& component, std::map<std::string, at::Tensor> inputs)
    {
        std::vector<io::TensorView> views;
        for (const auto& [name, stored] : inputs)
            views.push_back({.name = name,
                             .dtype = tensor::dtype_of(stored),
                             .shape = tensor::shape_of(stored),
                             .bytes = tensor::bytes_of(stored)});
        const fs::path in = temp_.path() / "in.safetensors";
        if (auto written = io::write_safetensors(in, views); !written) return written;
        return forward_component(folder_, component, in, out_);
    }
    at::Tensor output(const std::string& name) const
    {
        const auto file = value(io::SafetensorsFile::open(out_));
        const auto* view = file.find(name);
        return view == nullptr ? at::Tensor()
                               : tensor::to_tensor(view->dtype, view->shape, view->bytes);
    }
    const fs::path out_ = temp_.path() / "out.safetensors";
};

TEST_F(ForwardTest, RunsEachComponentUnderDiffusersNames)
{
    tiny_.save(folder_);
    // As a loaded model is: layers that may be trained add up in another order.
    for (torch::nn::Module* module : {static_cast<torch::nn::Module*>(tiny_.unet.get()),
                                      static_cast<torch::nn::Module*>(tiny_.vae.get())})
        for (at::Tensor& parameter : module->parameters())
            parameter.set_requires_grad(false);
    const torch::NoGradGuard no_grad;
    const auto x = torch::randn({2, 2, 4, 4}), t = torch::tensor({7.0f, 8.5f});
    const auto labels = torch::tensor({0, 3});
    const auto context = tiny_.classes(labels).clone();
    const auto expected = tiny_.unet(x, t, context);
    ASSERT_TRUE(run("unet", {{"sample", x}, {"timestep", t}, {"encoder_hidden_states", context}}));
    EXPECT_TRUE(torch::equal(output("sample"), expected));
    ASSERT_TRUE(run("unet", {{"sample", x}, {"timestep", t}, {"class_labels", labels}}));
    EXPECT_TRUE(torch::equal(output("sample"), expected));
    ASSERT_TRUE(
        run("unet", {{"sample", x}, {"timestep", torch::tensor(7)}, {"class_labels", labels}}));
    EXPECT_TRUE(torch::allclose(output("sample")[0], expected[0]));

    const auto image = torch::randn({2, 1, 8, 8});
    ASSERT_TRUE(run("vae_encoder", {{"sample", image}}));
    EXPECT_TRUE(torch::equal(output("mean"), tiny_.vae->encode(image).mean));
    EXPECT_TRUE(torch::equal(output("logvar"), tiny_.vae->encode(image).logvar));
    ASSERT_TRUE(run("vae_decoder", {{"latents", x}}));
    EXPECT_TRUE(torch::equal(output("sample"), tiny_.vae->decode(x)));
}

TEST_F(ForwardTest, SaysWhichInputIsWrong)
{
    tiny_.save(folder_);
    const auto x = torch::randn({2, 2, 4, 4}), t = torch::tensor({7.0f});
    const auto message = [&](const std::string& component,
                             const std::map<std::string, at::Tensor>& inputs) {
        const auto done = run(component, inputs);
        return done ? std::string() : done.error().message;
    };
    const auto label = [](std::int64_t id) { return torch::tensor({id}); };
    EXPECT_NE(message("unet", {{"timestep", t}}).find("'sample'"), std::string::npos);
    EXPECT_NE(message("unet", {{"sample", x}, {"class_labels", label(1)}}).find("'timestep'"),
              std::string::npos);
    EXPECT_NE(message("unet", {{"sample", x}, {"timestep", t}, {"class_labels", label(4)}})
                  .find("between 0 and 3"),
              std::string::npos);
    EXPECT_NE(message("vae_decoder", {{"latents", torch::zeros({1, 3, 4, 4})}}).find("2 channels"),
              std::string::npos);
    EXPECT_NE(message("vea", {{"sample", x}}).find("'vea'"), std::string::npos);
}

} // namespace
} // namespace velamen::checkpoint
