"""The results as a few lines of text for a terminal. Pure."""

from collections.abc import Mapping
from typing import Any

from w2s_trainer.report.tuned import alarms, seconds


def table(results: Mapping[str, Any], model_uri: str) -> str:
    """Returns the answer, alarms, what to do, the arms with intervals and costs, the comparisons, what became of the model.

    Args:
        results: the content of results.json.
        model_uri: where a promoted model is.
    """
    evaluation, decision = results["evaluation"], results["decision"]
    metric, test = evaluation["metric"], evaluation["test"]
    costs = {cost["arm"]: cost["secondsToTrain"] for cost in results["training"]["costs"]}
    lines = [*results["answer"], *(f"Caution: {alarm}" for alarm in alarms(results)), ""]
    lines += ["What to do now:", *(f"  - {item['text']}" for item in results["advice"]), ""]
    lines.append(f"{metric} on {test['size']:,} test texts, {test['families']:,} families, 95 % intervals")
    for arm in evaluation["arms"]:
        value = arm["metrics"][metric]
        trained = f"trained on {arm['trainedOn']:,}" if arm["trainedOn"] else ""
        if arm["arm"] in costs:
            trained += f" in {seconds(costs[arm['arm']])}"
        between = f"[{value['low']:.3f}, {value['high']:.3f}]"
        lines.append(f"  {arm['arm']:<13} {value['estimate']:.3f}  {between}  {trained}".rstrip())
    tuning = [
        comparison
        for comparison in evaluation["exploratory"]
        if comparison["arm"] in (evaluation["candidate"], "strong")
    ]
    for comparison in [*evaluation["comparisons"], *tuning]:
        mark = " (exploratory)" if comparison["exploratory"] else ""
        interval = f"[{comparison['low']:+.3f}, {comparison['high']:+.3f}]"
        lines.append(
            f"  {comparison['arm']} − {comparison['baseline']:<13} {comparison['estimate']:+.3f}  {interval}"
            f"  {comparison['verdict']}{mark}"
        )
    lines.append("")
    lines.append(f"Published: {model_uri}" if decision["promoted"] else "Not published:")
    if not decision["promoted"]:
        lines += [f"  {reason}" for reason in decision["reasons"]]
    return "\n".join(lines)
