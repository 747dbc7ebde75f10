"""The table that ends a run on the terminal."""

from collections.abc import Mapping
from pathlib import Path


def closing_table(metrics: Mapping, page: Path, seconds: float) -> str:
    """What a run came to, in a dozen lines.

    Args:
      metrics: the content of metrics.json.
      page: path of the report's page.
      seconds: what the command took.

    Returns:
      Lines of text, for a terminal.
    """
    sections = {
        **metrics,
        "time": f"{round(seconds) // 60} min {round(seconds) % 60} s",
        "report": str(page),
    }
    width = max(map(len, sections))
    rule = "-" * (width + 72)
    lines = [f"{name:<{width}}  {text}" for name, text in sections.items()]
    return "\n".join(["", rule, *lines, rule])


def _of_interaction(metrics: Mapping) -> dict[str, str]:
    autoencoder, regressor = metrics["autoencoder"], metrics["regressor"]
    target = metrics["target"]
    return {
        "wells": ", ".join(f"{count} {name}" for name, count in metrics["wells"].items()),
        "patches": ", ".join(f"{count} {name}" for name, count in metrics["patches"].items()),
        "reconstruction": (
            f"cross-entropy {_number(autoencoder['bce'])} over a floor of "
            f"{_number(autoencoder['bce_floor'])} nats, PSNR {_number(autoencoder['psnr_db'], 1)} "
            f"dB, SSIM {_number(autoencoder['ssim'], 3)}, {metrics['latent_size']} numbers a code"
        ),
        target["label"]: _errors(regressor, target["unit"]),
        **{
            f"  {name}": _errors(scores, target["unit"])
            for name, scores in regressor["by_condition"].items()
        },
        "intervals": _intervals(metrics["coverage"]),
        "structure": f"{metrics['structure']['answer']}: {metrics['structure']['why']}",
    }


def _intervals(coverage: Mapping) -> str:
    if coverage["reason"]:
        return coverage["reason"]
    held = coverage["overall"]["coverage"]
    return f"{_number(held and 100 * held, 1)} % hold, {100 * coverage['level']:.0f} % promised"


def _of_cells(metrics: Mapping) -> dict[str, str]:
    """Lines on a segmentation: of found cells, or of masks alone."""
    unit = "patches" if metrics["experiment"] == "masks" else "fields"
    counts = ", ".join(f"{count} {name}" for name, count in metrics["fields"].items())
    lines = {unit: counts}
    for kind, methods in metrics["kinds"].items():
        for method, scores in methods.items():
            said = f"pixel IoU {_number(scores['pixel_iou'], 3)}"
            if "f1" in scores:
                said += (
                    f", F1 at IoU 0.5 {_number(scores['f1'], 3)}, mean AP "
                    f"{_number(scores['mean_ap'], 3)}, found {_number(scores['count_ratio'], 2)} "
                    f"of {scores['true_cells']:,}"
                )
            lines[f"{kind.replace('_', ' ')}, {method}"] = said
    return lines


def _errors(scores: Mapping, unit: str) -> str:
    rmse, sd = (f"{_number(scores[name], 3)} {unit}".strip() for name in ("rmse", "sd_true"))
    ratio = _number(scores["rmse_over_sd"], 3)
    return f"RMSE {rmse}, SD of truth {sd}, RMSE / SD {ratio} ({scores['n']} patches)"


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
