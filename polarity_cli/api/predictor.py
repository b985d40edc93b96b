"""Label texts from Python: a checkpoint as a function, which processes can hand to each other. Stands on the verb's own labeller.

What it is given is read by `api/texts` and `api/tables`.
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar, overload

from polarity_cli.api.opening import Opening, Options
from polarity_cli.api.tables import Table, find_table
from polarity_cli.api.text_columns import choose_text, join_columns
from polarity_cli.api.texts import divide, list_texts
from polarity_cli.formats.results import name_results
from polarity_cli.records import LABEL_NAMES, Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from polarity_cli.inference.labeller import Labeller

T = TypeVar("T")


class Predictor:
    """A checkpoint that labels texts.

    It answers what it is given in kind: a text with a `Prediction`, texts with a list of them, a table with a table that has two
    columns more.

    >>> from polarity_cli import Predictor
    >>> predictor = Predictor("ckpt")
    >>> predictor("superb great best").label
    'positive'
    >>> [answer.label for answer in predictor(["awful boring worst", "", "great love"])]
    ['negative', '', 'positive']
    >>> sorted(predictor({"title": ["Great", None], "content": ["superb love", "awful worst"]}))
    ['content', 'label', 'score', 'title']

    The labels and scores are those of `polarity predict` with the same options, which have the same names here; columns that are
    added hold scores to six decimals, as its files do. One difference: for a checkpoint of another program that nobody asks a
    `precision` of, full precision answers, not int8 where that agrees on the first texts: these differ from process to process.

    The model is loaded when it is first asked. A predictor that is pickled or forked takes its options along, and how it reads
    the tables that it has seen, but not the model: that is loaded again where it arrives, from the same folder or Hub id.
    Several threads may use one predictor at a time.
    Notes, such as which columns make the text, go to the logger `polarity_cli`.
    """

    def __init__(
        self,
        checkpoint: str | os.PathLike[str] | None = None,
        *,
        threads: int | None = None,
        precision: str | None = None,
        threshold: float | None = None,
        min_confidence: float = 0.0,
        positive_class: str | None = None,
        text: str | Sequence[str] | None = None,
        prefix: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        offline: bool | None = None,
    ) -> None:
        """Find the checkpoint, and check it and the options; it is loaded later.

        Args:
            checkpoint: a folder or a Hub id; None takes that of `POLARITY_CHECKPOINT`, `./ckpt`, or the newest in the cache.
            threads: that compute; 1 uses no thread but the caller's, which fits where there is a process for each processor. None
                takes all processors that this process may use.
            precision: `int8` or `fp32`; None takes int8 where the export found that it turns hardly a label.
            threshold: from this probability of positive on a text is positive; None takes the checkpoint's own, else the
                likelier class.
            min_confidence: below this probability of the label that would be given it is `uncertain`.
            positive_class: the model's class that means positive, by its name or as 0 or 1; None goes by the usual names.
            text: the column, or columns in reading order, that make the text of a table; None takes those that the checkpoint
                was trained on, else goes by usual names.
            prefix: what stands before `label` and `score` in the names of the added columns; None finds out what is free.
            cache_dir: where what is made for a checkpoint is kept; None takes `POLARITY_CACHE`, else the user's cache folder.
            offline: whether no connection is made; None asks `POLARITY_OFFLINE`.

        Raises:
            CheckpointError, HubError: there is no such checkpoint, or it is damaged.
            UsageError: an option has a value that cannot be.
        """
        columns = text if text is None or isinstance(text, str) else tuple(text)
        name, folder = (None if path is None else os.fspath(path) for path in (checkpoint, cache_dir))
        folder = None if folder is None else os.path.abspath(folder)
        options = Options(
            checkpoint=name,
            threads=threads,
            precision=precision,
            threshold=threshold,
            min_confidence=min_confidence,
            positive_class=positive_class,
            text=columns,
            prefix=prefix,
            cache_dir=folder,
            offline=offline,
        )
        self._opening = Opening(options)
        self._opening.settle()
        self._text_of: dict[tuple[str, ...], tuple[str, ...]] = {}

    def __repr__(self) -> str:
        said = {name: value for name, value in self.get_params().items() if value is not None and value != 0}
        return f"Predictor({', '.join(f'{name}={value!r}' for name, value in said.items())})"

    @overload
    def __call__(self, texts: str) -> Prediction: ...

    @overload
    def __call__(self, texts: list[str] | list[str | None] | tuple[str, ...]) -> list[Prediction]: ...

    @overload
    def __call__(self, texts: Any) -> Any: ...

    def __call__(self, texts: Any) -> Any:
        """Return the answer to a text, the answers to texts, or a table with its answers as columns.

        Args:
            texts: a text; a list, tuple, array or series of texts, where None and NaN are blank; or a table: a dict of columns,
                a `pyarrow.Table` or `RecordBatch`, a frame of pandas or polars. A blank text gets an empty label and no score.

        Raises:
            TypeError, ValueError: it is nothing of this kind.
            DataError: a table has no columns that look like the text.
            CheckpointError: the checkpoint cannot answer.
        """
        if isinstance(texts, str):
            return self._label([texts])[0]
        table = find_table(texts)
        if table is None:
            return self._label(list_texts(texts))
        return self._label_table(table)

    def predict(self, texts: Any) -> NDArray[np.str_]:
        """Return the label of each text, `(N,)`, which is `uncertain` below `min_confidence`, and empty for a blank one.

        `texts` are several, or a table; see calling the predictor.
        """
        import numpy as np

        return np.array([answer.label for answer in self._label(self._list_texts(texts))], dtype=np.str_)

    def predict_proba(self, texts: Any) -> NDArray[np.float64]:
        """Return the probabilities of `classes_` for each text, `(N, 2) float64`; both are NaN for a blank one.

        A threshold changes labels, not these: with one, `predict` need not give the likelier class.
        """
        import numpy as np

        parts = list(self._answer(self._list_texts(texts), lambda labeller, part: labeller.start_scoring(part)))
        return np.concatenate([np.empty((0, 2)), *parts])

    def explain(self, text: str) -> Prediction:
        """Return the answer to a text with its words, each with the log-odds of positive that are lost when it is left out.

        They are None for a blank text, and for one of more than 50,000 characters.
        """
        if not isinstance(text, str):
            raise TypeError(f"Found {type(text).__name__}; expected one text.")
        return self._opening.open().start([text], explain=True)()[0]

    @property
    def classes_(self) -> NDArray[np.str_]:
        """The classes, in the order of the columns of `predict_proba`."""
        import numpy as np

        return np.array(LABEL_NAMES, dtype=np.str_)

    def fit(self, X: Any = None, y: Any = None) -> Predictor:  # noqa: N803  scikit-learn's name
        """Return the predictor as it is, with a warning: it is trained already, and `polarity_cli.train` trains another."""
        warnings.warn(
            "A Predictor is trained already: fit changes nothing. polarity_cli.train trains a checkpoint.", stacklevel=2
        )
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the options by name, as scikit-learn asks for them."""
        return asdict(self._opening.options)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> Predictor:
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        target = TargetTags(required=False, one_d_labels=True)
        inputs = InputTags(string=True, one_d_array=True, two_d_array=False, allow_nan=True)
        tags = ClassifierTags(multi_class=False)
        return Tags(estimator_type="classifier", target_tags=target, classifier_tags=tags, input_tags=inputs, requires_fit=False)

    def _label(self, texts: Sequence[str]) -> list[Prediction]:
        parts = self._answer(texts, lambda labeller, part: labeller.start(part))
        return [prediction for part in parts for prediction in part]

    def _answer(self, texts: Sequence[str], start: Callable[[Labeller, list[str]], Callable[[], T]]) -> Iterator[T]:
        """Yield what is started for each part of the texts, in order; while one part is computed the next is tokenized."""
        waiting: deque[Callable[[], T]] = deque()
        for part in divide(texts):
            waiting.append(start(self._opening.open(), part))
            if len(waiting) > 1:
                yield waiting.popleft()()
        while waiting:
            yield waiting.popleft()()

    def _list_texts(self, texts: Any) -> list[str]:
        if isinstance(texts, str):
            raise TypeError("Found one text; expected several: give [text].")
        table = find_table(texts)
        return list_texts(texts) if table is None else join_columns(table, self._choose(table))

    def _label_table(self, table: Table) -> Any:
        """Return a table with its answers. One without rows gets empty columns, whatever else is in it."""
        names = name_results(table.columns, self._opening.config.prefix)
        answers = [names.answer(found) for found in self._label(join_columns(table, self._choose(table)))]
        return table.add(names, [str(a[names.label]) for a in answers], [a[names.score] for a in answers])  # type: ignore[misc]

    def _choose(self, table: Table) -> tuple[str, ...]:
        """Return the columns that make the text: for all tables with the same columns those of the first that has rows."""
        key = tuple(table.columns)
        if key not in self._text_of:
            if not table.n_rows:
                return ()
            config, preferred = self._opening.config, self._opening.find().text
            self._text_of[key] = choose_text(table, config.text, preferred, self._opening.context.observer)
        return self._text_of[key]
