"""The usual way to do the same: the torchvision loop that most people would write.

    python benchmarks/baseline.py PHOTOS WEIGHTS EPOCHS

ImageFolder, DataLoader as it comes, MobileNetV3-Small with a frozen backbone in evaluation mode,
Adam on the classifier, validation after each epoch, then weighted F1 on the test photos.
"""

from __future__ import annotations

import json
import sys

import torch
from sklearn.metrics import confusion_matrix, f1_score
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms
from torchvision.models import mobilenet_v3_small

SEED = 42


def main(photos: str, weights: str, epochs: int) -> None:
    """Train, test, print the scores as JSON."""
    torch.manual_seed(SEED)
    data = datasets.ImageFolder(
        photos,
        transforms.Compose(
            [
                transforms.Resize(256),
                transforms.CenterCrop(224),
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        ),
    )
    train, val, test = (Subset(data, part) for part in split(data.targets))
    model = mobilenet_v3_small(num_classes=len(data.classes))
    model.load_state_dict(torch.load(weights, weights_only=True), strict=False)
    model.features.requires_grad_(False)
    optimizer = torch.optim.Adam(model.classifier.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        model.features.eval()
        for images, labels in DataLoader(train, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            criterion(model(images), labels).backward()
            optimizer.step()
        truth, predicted = predict(model, val)
        print(f"epoch {epoch + 1}: val F1 {f1_score(truth, predicted, average='weighted'):.3f}")
    truth, predicted = predict(model, test)
    print(confusion_matrix(truth, predicted))
    print(json.dumps({"weightedF1Score": f1_score(truth, predicted, average="weighted")}))


def split(targets: list[int]) -> tuple[list[int], list[int], list[int]]:
    """Stratified 80/10/10 indices."""
    everyone = list(range(len(targets)))
    train, rest = train_test_split(everyone, test_size=0.2, stratify=targets, random_state=SEED)
    labels = [targets[index] for index in rest]
    val, test = train_test_split(rest, test_size=0.5, stratify=labels, random_state=SEED)
    return train, val, test


def predict(model: nn.Module, photos: Subset[object]) -> tuple[list[int], list[int]]:
    """Labels and predictions of some photos."""
    model.eval()
    truth: list[int] = []
    predicted: list[int] = []
    with torch.no_grad():
        for images, labels in DataLoader(photos, batch_size=32):
            predicted += model(images).argmax(1).tolist()
            truth += labels.tolist()
    return truth, predicted


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
